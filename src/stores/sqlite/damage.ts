/** What is in the file is not what was written to it. The store cannot go on with it. */
export class DamagedError extends Error {
  constructor(found: string, options?: ErrorOptions) {
    super(found, options);
    this.name = "DamagedError";
  }
}
