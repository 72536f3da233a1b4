/** A promise that is settled from outside; further settling does nothing. */
export class Deferred<Value> {
  readonly promise: Promise<Value>;
  resolve!: (value: Value) => void;
  reject!: (reason: unknown) => void;

  constructor() {
    this.promise = new Promise<Value>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Who waits is told; that nobody waits is no failure of the process.
    this.promise.catch(() => undefined);
  }
}
