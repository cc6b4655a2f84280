/** An item and its time; of those with the same time, the lower seq is the earlier. */
interface Entry<Item> {
  readonly at: number;
  readonly seq: number;
  readonly item: Item;
}

/** Items by a time and then a seq, the earliest first: a binary heap. */
export class TimeHeap<Item> {
  private readonly entries: Entry<Item>[] = [];

  peek(): { readonly at: number; readonly item: Item } | undefined {
    return this.entries[0];
  }

  push(at: number, seq: number, item: Item): void {
    const entries = this.entries;
    let index = entries.length;
    const entry = { at, seq, item };
    entries.push(entry);
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = entries[parentIndex];
      if (parent === undefined || !isBefore(entry, parent)) break;
      entries[index] = parent;
      index = parentIndex;
    }
    entries[index] = entry;
  }

  pop(): Item | undefined {
    const entries = this.entries;
    const first = entries[0];
    const last = entries.pop();
    if (first === undefined || last === undefined || entries.length === 0) return first?.item;
    let index = 0;
    for (;;) {
      let childIndex = index * 2 + 1;
      let child = entries[childIndex];
      const right = entries[childIndex + 1];
      if (child !== undefined && right !== undefined && isBefore(right, child)) {
        child = right;
        childIndex++;
      }
      if (child === undefined || !isBefore(child, last)) break;
      entries[index] = child;
      index = childIndex;
    }
    entries[index] = last;
    return first.item;
  }
}

function isBefore(a: Entry<unknown>, b: Entry<unknown>): boolean {
  return a.at < b.at || (a.at === b.at && a.seq < b.seq);
}
