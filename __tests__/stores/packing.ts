import type { AppendRow, Change } from "../../src/stores/ledger/journal";
import { packChange, packRow } from "../../src/stores/sqlite/calls";
import { Packer, type Packed } from "../../src/stores/sqlite/packed";

/** Messages to be written, as they go to the storage thread. */
export function packRows(rows: readonly AppendRow[]): Packed {
  const packer = new Packer(0);
  for (const row of rows) packRow(packer, row);
  return packer.pack();
}

/** What is to become of messages, as it goes to the storage thread. */
export function packChanges(changes: readonly Change[]): Packed {
  const packer = new Packer(0);
  for (const change of changes) packChange(packer, change);
  return packer.pack();
}
