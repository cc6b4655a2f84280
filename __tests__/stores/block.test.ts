/** The form of messages that share rows of the file, and what is kept of it after it was read. */
import type { AppendRow } from "../../src/stores/ledger/journal";
import { BlockContents, BlockHeads, packBlocks, type PackedBlock } from "../../src/stores/sqlite/block";
import { StoredBlock } from "../../src/stores/sqlite/block-index";
import { BlockReader } from "../../src/stores/sqlite/block-reader";
import { readContent } from "../../src/stores/sqlite/content-check";
import { rowOf, rowsOf } from "./append-rows";

/** What messages say and where they are, of the first block of some. */
function contentsOf(rows: readonly AppendRow[]): { readonly heads: BlockHeads; readonly contents: BlockContents } {
  const [block] = packBlocks(rows);
  if (block === undefined) throw new Error("there is no block");
  const heads = BlockHeads.of(block.firstSeq, Buffer.from(block.heads.buffer));
  return { heads, contents: new BlockContents(heads, (firstSeq) => runsOf(block, heads).get(firstSeq) ?? "") };
}

function runsOf({ runs }: PackedBlock, heads: BlockHeads): Map<number, string> {
  return new Map([...heads.runs()].map(({ firstSeq }, index) => [firstSeq, runs[index] ?? ""]));
}

describe("a block's form", () => {
  it("holds what messages say, whatever that is", () => {
    const texts = ['{"a":"é 漢字 🚚\\n"}', "null", JSON.stringify("x".repeat(9_000)), '"a\\nb"', "{}"];
    const rows = texts.map((payload, at) =>
      rowOf(
        at + 1,
        { payload, group: at % 2 ? "g" : undefined, headers: at % 3 ? '{"h":"ü"}' : undefined, priority: at },
        at % 2 === 0,
      ),
    );
    const { heads, contents } = contentsOf(rows);
    rows.forEach(({ message, resident }, place) => {
      const { id, event, payload, priority, group = null, headers = null, publisher, publishedAt } = message;
      expect(readContent(contents.content(place))).toEqual({
        id,
        event,
        payload,
        priority,
        group,
        headers,
        publisher,
        publishedAt,
      });
      expect([heads.queueNo(place), heads.priority(place), heads.wasResident(place)]).toEqual([1, priority, resident]);
    });
  });

  it("ends where seqs do not follow one another, and where it is long enough", () => {
    const apart = packBlocks([...rowsOf(1, 3), ...rowsOf(7, 2)]);
    expect(apart.map(({ firstSeq, heads }) => [firstSeq, heads.length / 4])).toEqual([
      [1, 3],
      [7, 2],
    ]);
    const long = packBlocks(rowsOf(1, 40, () => ({ payload: JSON.stringify("x".repeat(20_000)) })));
    expect(long.length).toBeGreaterThan(3);
    expect(Math.max(...long.map(({ runs }) => runs.join("").length))).toBeLessThan(160_000);
  });

  it("is read in runs of about a page", () => {
    const { heads, contents } = contentsOf(rowsOf(1, 60, () => ({ payload: JSON.stringify("x".repeat(300)) })));
    const runs = [...heads.runs()];
    expect(runs.length).toBeGreaterThan(4);
    for (const { length } of runs.slice(0, -1)) expect([length >= 3_500, length < 4_000]).toEqual([true, true]);
    expect(runs.map(({ first }) => first)).toEqual([0, ...runs.slice(0, -1).map(({ next }) => next)]);
    expect(runs[runs.length - 1]?.next).toBe(60);
    // In any order, and there and back.
    for (const place of [59, 0, 30, 31, 11, 10, 59])
      expect(readContent(contents.content(place)).id).toBe(`m${place + 1}`);
  });

  it("has a run for each message that is as long as one", () => {
    const { heads } = contentsOf(rowsOf(5, 4, () => ({ payload: JSON.stringify("x".repeat(5_000)) })));
    expect([...heads.runs()].map(({ firstSeq, first, next }) => [firstSeq, first, next])).toEqual([
      [5, 0, 1],
      [6, 1, 2],
      [7, 2, 3],
      [8, 3, 4],
    ]);
  });
});

test("heads that were read last are kept, as many as there is room for", () => {
  const blockOf = (firstSeq: number, count = 2): StoredBlock => new StoredBlock(firstSeq, count, 0);
  const read: number[] = [];
  const heads = ({ firstSeq, count }: StoredBlock): BlockHeads => {
    read.push(firstSeq);
    return new BlockHeads(firstSeq, new Uint32Array(4 * count));
  };
  const reader = new BlockReader({ heads, runText: () => "" }, 3 * 420);
  const readsOf = (...blocks: StoredBlock[]): number[] => {
    read.length = 0;
    for (const block of blocks) expect(reader.contentsOf(block).heads.firstSeq).toBe(block.firstSeq);
    return [...read];
  };
  expect(readsOf(blockOf(1), blockOf(2), blockOf(3))).toEqual([1, 2, 3]);
  expect(readsOf(blockOf(1), blockOf(4))).toEqual([4]);
  expect(readsOf(blockOf(1), blockOf(3), blockOf(4))).toEqual([]);
  reader.forget(blockOf(3));
  expect(readsOf(blockOf(5), blockOf(1), blockOf(4), blockOf(5))).toEqual([5]);
  // More than there is room for drives no other out.
  expect(readsOf(blockOf(6, 1_000), blockOf(1), blockOf(6, 1_000))).toEqual([6, 6]);
  reader.forgetAll();
  expect(readsOf(blockOf(1))).toEqual([1]);
});
