/** How long to wait before the next try: doubling, with jitter so that a room of phones does not come back at once. */
export class Backoff {
  private failures = 0;

  constructor(
    private readonly firstMs = 500,
    private readonly maxMs = 15_000,
    private readonly random: () => number = Math.random,
  ) {}

  /** Milliseconds until the next try, at least half of the nominal wait. */
  next(): number {
    const nominal = Math.min(this.maxMs, this.firstMs * 2 ** this.failures);
    // Not counted on for ever: 2 to the power of a weekend is no number.
    this.failures = Math.min(this.failures + 1, 30);
    return nominal * (0.5 + 0.5 * this.random());
  }

  reset(): void {
    this.failures = 0;
  }
}
