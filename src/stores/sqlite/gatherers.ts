import type { AppendRow, Change, RoomAppendRow } from "../ledger/journal";
import { packBlocks } from "./block";
import { packChange, packRow, type Call } from "./calls";
import { Packer } from "./packed";

/** Numbers that a call has room for before it grows: those of 32 messages to queues, or of 64 acks. */
const GATHERED_CELLS = 512;

/** Gathers what several callers want in one turn of the event loop, for one call. */
export interface Gatherer {
  /** Copies of rooms' messages. */
  readonly copies: number;
  /** Asked for when it is posted. */
  makeCall(): Call;
}

/** New messages that get a row each. */
export class RowGatherer implements Gatherer {
  copies = 0;
  /** Messages, a room's being one. */
  count = 0;
  private readonly packer = new Packer(GATHERED_CELLS);

  add(row: AppendRow | RoomAppendRow): void {
    packRow(this.packer, row);
    this.count++;
    if ("copies" in row) this.copies += row.copies.count;
  }

  makeCall(): Call {
    return { kind: "append", argument: { rows: this.packer.pack(), copies: this.copies } };
  }
}

/** New messages that share rows, where they are so many that it pays. */
export class BlockGatherer implements Gatherer {
  readonly copies = 0;
  /** No literal: V8 may come to put what that makes among what lives long, and then keeps all these messages with it. */
  private readonly rows = Array.of<AppendRow>();

  /** @param least so many messages. */
  constructor(private readonly least: number) {}

  get count(): number {
    return this.rows.length;
  }

  add(row: AppendRow): void {
    this.rows.push(row);
  }

  makeCall(): Call {
    if (this.rows.length >= this.least) {
      return { kind: "appendBlocks", argument: { blocks: packBlocks(this.rows), count: this.rows.length } };
    }
    const each = new RowGatherer();
    for (const row of this.rows) each.add(row);
    return each.makeCall();
  }
}

/** What is to become of messages. */
export class ChangeGatherer implements Gatherer {
  readonly copies = 0;
  private readonly packer = new Packer(GATHERED_CELLS);

  /** @param now as the hub's clock has it. */
  constructor(private readonly now: number) {}

  add(change: Change): void {
    packChange(this.packer, change);
  }

  makeCall(): Call {
    return { kind: "change", argument: { now: this.now, changes: this.packer.pack() } };
  }
}

/** By the kind of call that they are mostly for, which tells what can be gathered together. */
export interface Gatherers {
  readonly append: RowGatherer;
  readonly appendBlocks: BlockGatherer;
  readonly change: ChangeGatherer;
}
