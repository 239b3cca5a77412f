/** When the next frame is due, at the pace that the server asks for. Times are milliseconds of any steady clock. */
export class Pacer {
  private periodMs = 1000;
  private dueAt = 0;

  get fps(): number {
    return 1000 / this.periodMs;
  }

  setFps(fps: number): void {
    if (!(fps > 0)) return;
    const period = 1000 / fps;
    // A faster pace holds at once, not after the old, longer wait.
    this.dueAt -= Math.max(0, this.periodMs - period);
    this.periodMs = period;
  }

  /** Milliseconds until a frame is due; 0 when it is. */
  waitMs(now: number): number {
    return Math.max(0, this.dueAt - now);
  }

  /** A frame was taken; returns how many were due before it and could not be. */
  take(now: number): number {
    const late = now - this.dueAt;
    const started = this.dueAt > 0;
    if (!started || late >= this.periodMs) {
      this.dueAt = now + this.periodMs;
      return started ? Math.floor(late / this.periodMs) : 0;
    }
    // Counted from when it was due: a timer that is late by a little does not slow the pace.
    this.dueAt += this.periodMs;
    return 0;
  }

  /** Nothing was due while nobody could see: a pause is no loss. */
  restart(): void {
    this.dueAt = 0;
  }
}
