type Fail = (error: Error) => void;

/** Requests that wait for their answer, by place. No `Set`: it would keep what they carried, as `IdTable` says. */
export class Unanswered {
  private readonly fails: (Fail | undefined)[] = [];
  private readonly free: number[] = [];

  /** @returns the place of it. */
  add(fail: Fail): number {
    const place = this.free.pop() ?? this.fails.length;
    this.fails[place] = fail;
    return place;
  }

  /** @returns whether it was there: answered and failed, it counts once. */
  remove(place: number, fail: Fail): boolean {
    if (this.fails[place] !== fail) return false;
    this.fails[place] = undefined;
    this.free.push(place);
    return true;
  }

  failAll(makeError: () => Error): void {
    for (const fail of this.fails.slice()) fail?.(makeError());
  }
}
