/** A promise with its handles outside. Nobody has to listen: a rejection that is not looked at stays silent. */
export class Deferred<T> {
  readonly promise: Promise<T>;
  private settle: { resolve: (value: T) => void; reject: (error: Error) => void } | undefined;

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.settle = { resolve, reject };
    });
    this.promise.catch(() => undefined);
  }

  resolve(value: T): void {
    this.settle?.resolve(value);
  }

  reject(error: Error): void {
    this.settle?.reject(error);
  }
}
