/** Keeps the screen on while the camera works: a phone that sleeps sends nothing. */
export class ScreenLock {
  private lock: WakeLockSentinel | null = null;
  private wanted = false;

  constructor(private readonly wakeLock: WakeLock | undefined = (navigator as Partial<Navigator>).wakeLock) {}

  /** Again after each time that the page was hidden, for the browser lets go of it then. */
  async hold(): Promise<void> {
    this.wanted = true;
    if (!this.wakeLock || (this.lock && !this.lock.released)) return;
    try {
      const lock = await this.wakeLock.request("screen");
      if (this.isWanted()) this.lock = lock;
      else await lock.release();
    } catch {
      // A low battery refuses it. The camera works without.
    }
  }

  release(): void {
    this.wanted = false;
    void this.lock?.release().catch(() => undefined);
    this.lock = null;
  }

  private isWanted(): boolean {
    return this.wanted;
  }
}
