/**
 * How much the way to the server carries: bounds what is under way, and makes the pictures smaller while it is too slow.
 *
 * A browser says only what it still holds itself. What lies in the buffers behind it, a tunnel's above all, shows as
 * answers that come later and later; so the answers are watched. The server numbers the frames of a camera, also over
 * connections: the first frame is sent alone, and the number in its answer says where the count began.
 */
export interface Detail {
  /** Of the width and height asked for. */
  scale: number;
  /** Of the quality asked for. */
  quality: number;
}

/** From the best to the smallest that still recognises a face nearby. */
export const DETAILS: readonly Detail[] = [
  { scale: 1, quality: 1 },
  { scale: 1, quality: 0.82 },
  { scale: 0.8, quality: 0.82 },
  { scale: 0.65, quality: 0.8 },
  { scale: 0.5, quality: 0.75 },
];

// So many frames may be under way at first, and at most. A burst that a slow line takes at once arrives seconds later.
const WINDOW_FIRST = 2;
const WINDOW_MAX = 32;
const LONE_PATIENCE_MS = 3000;
const LOST_AFTER_MS = 5000;
const CONGESTED_MS = 600;
const CALM_MS = 200;
const STEP_DOWN_EVERY_MS = 2000;
const CALM_FIRST_MS = 10_000;
const CALM_MAX_MS = 120_000;
const BASE_WINDOW_MS = 30_000;
const SMOOTHING = 0.3;

export class Uplink {
  private level = 0;
  private window = WINDOW_FIRST;
  private narrowedAt = -Infinity;
  private sentCount = 0;
  private offset: number | null = null;
  private underWay: { index: number; at: number }[] = [];
  private smoothedMs: number | null = null;
  private baseMs = { now: Infinity, before: Infinity, since: 0 };
  private changedAt = -Infinity;
  private steppedUpAt = -Infinity;
  private calmSince = 0;
  private calmMs = CALM_FIRST_MS;

  /** Milliseconds from sending a frame to its answer, smoothed; null before the first. */
  get latencyMs(): number | null {
    return this.smoothedMs;
  }

  get detail(): Detail {
    return DETAILS[this.level] ?? { scale: 1, quality: 1 };
  }

  /** Whether pictures are made smaller than was asked for. */
  get eased(): boolean {
    return this.level > 0;
  }

  get framesUnderWay(): number {
    return this.underWay.length;
  }

  /** A new connection: what was under way is gone. What was learnt of the line stays. */
  connected(now: number): void {
    this.sentCount = 0;
    this.offset = null;
    this.underWay = [];
    this.calmSince = now;
  }

  /** Whether a frame may be taken now, with so many bytes still in the browser. */
  mayTake(now: number, bufferedBytes: number): boolean {
    const oldest = this.underWay[0];
    if (bufferedBytes > 0) {
      if (oldest && now - oldest.at > CONGESTED_MS) this.congested(now);
      return false;
    }
    if (!oldest) return true;
    const age = now - oldest.at;
    if (this.offset === null) return age > LONE_PATIENCE_MS;
    if (age > LOST_AFTER_MS) {
      // Nothing is known of these any more. The next one is a new beginning.
      this.underWay = [];
      this.window = 1;
      this.congested(now);
      return true;
    }
    return this.underWay.length < this.window;
  }

  sent(now: number): void {
    this.sentCount += 1;
    this.underWay.push({ index: this.sentCount, at: now });
    if (this.underWay.length > WINDOW_MAX) this.underWay.shift();
  }

  /** The server has looked at the frame of this number. */
  answered(frame: number, now: number): void {
    this.offset ??= frame - this.sentCount;
    if (frame - this.offset > this.sentCount) this.offset = frame - this.sentCount;
    const index = frame - this.offset;
    const found = this.underWay.find((sent) => sent.index === index);
    // Frames before it were dropped by the server, or answered by a message that a newer one replaced.
    this.underWay = this.underWay.filter((sent) => sent.index > index);
    if (!found) return;
    this.learn(now - found.at, now);
  }

  private learn(tookMs: number, now: number): void {
    this.smoothedMs = this.smoothedMs === null ? tookMs : this.smoothedMs + SMOOTHING * (tookMs - this.smoothedMs);
    if (now - this.baseMs.since > BASE_WINDOW_MS) {
      this.baseMs = { now: Infinity, before: this.baseMs.now, since: now };
    }
    this.baseMs.now = Math.min(this.baseMs.now, tookMs);
    const waitedMs = this.smoothedMs - Math.min(this.baseMs.now, this.baseMs.before);
    if (waitedMs > CONGESTED_MS) this.congested(now);
    else if (waitedMs > CALM_MS) this.calmSince = now;
    else {
      this.window = Math.min(WINDOW_MAX, this.window + 1);
      if (this.level > 0 && now - this.calmSince > this.calmMs) {
        this.level -= 1;
        this.changedAt = this.calmSince = this.steppedUpAt = now;
      }
    }
  }

  private congested(now: number): void {
    // A step up that did not last is tried again later and later.
    if (now - this.steppedUpAt < CALM_FIRST_MS) {
      this.calmMs = Math.min(CALM_MAX_MS, this.calmMs * 2);
      this.steppedUpAt = -Infinity;
    }
    this.calmSince = now;
    // Once for each round: what was sent before it was narrowed is still to come.
    if (now - this.narrowedAt > (this.smoothedMs ?? 0)) {
      this.window = Math.max(1, Math.floor(this.window / 2));
      this.narrowedAt = now;
    }
    if (now - this.changedAt < STEP_DOWN_EVERY_MS || this.level >= DETAILS.length - 1) return;
    this.level += 1;
    this.changedAt = now;
  }
}
