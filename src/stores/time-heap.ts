/** Items by a time, the earliest first: a binary heap. */
export class TimeHeap<Item> {
  private readonly entries: { readonly at: number; readonly item: Item }[] = [];

  peek(): { readonly at: number; readonly item: Item } | undefined {
    return this.entries[0];
  }

  push(at: number, item: Item): void {
    const entries = this.entries;
    let index = entries.length;
    const entry = { at, item };
    entries.push(entry);
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = entries[parentIndex];
      if (parent === undefined || parent.at <= at) break;
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
      if (child !== undefined && right !== undefined && right.at < child.at) {
        child = right;
        childIndex++;
      }
      if (child === undefined || child.at >= last.at) break;
      entries[index] = child;
      index = childIndex;
    }
    entries[index] = last;
    return first.item;
  }
}
