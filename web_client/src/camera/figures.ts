/** The counts that the page shows: over both carriers, and over all connections since the start. */
import type { VideoFigures } from "../link/link";
import type { PumpCounts } from "../capture/pump";

export interface Figures {
  sent: number;
  dropped: number;
  bytes: number;
  kBps: number;
  fps: number;
}

export const NO_FIGURES: Figures = { sent: 0, dropped: 0, bytes: 0, kBps: 0, fps: 0 };

/** Adds up a count that begins anew with each connection. */
class Total {
  private before = 0;
  private latest = 0;

  set(value: number): void {
    if (value < this.latest) this.before += this.latest;
    this.latest = value;
  }

  next(): void {
    this.before += this.latest;
    this.latest = 0;
  }

  get value(): number {
    return this.before + this.latest;
  }
}

export class FigureKeeper {
  private readonly videoFrames = new Total();
  private readonly videoBytes = new Total();
  private readonly serverDropped = new Total();
  private last: { at: number; sent: number; bytes: number } | null = null;

  /** A new connection: its counts begin at nothing. */
  connected(): void {
    this.videoFrames.next();
    this.videoBytes.next();
    this.serverDropped.next();
  }

  dropped(byServer: number): void {
    this.serverDropped.set(byServer);
  }

  /** The figures now; rates are over the time since the last call. */
  at(nowMs: number, pump: PumpCounts, video: VideoFigures | null): Figures {
    if (video) {
      this.videoFrames.set(video.frames);
      this.videoBytes.set(video.bytes);
    }
    const sent = pump.sent + this.videoFrames.value;
    const bytes = pump.bytes + this.videoBytes.value;
    const seconds = this.last ? (nowMs - this.last.at) / 1000 : 0;
    const rate = (now: number, before: number) => (seconds > 0 ? Math.max(0, now - before) / seconds : 0);
    const figures = {
      sent,
      dropped: pump.skipped + this.serverDropped.value,
      bytes,
      kBps: rate(bytes, this.last?.bytes ?? 0) / 1000,
      fps: rate(sent, this.last?.sent ?? 0),
    };
    this.last = { at: nowMs, sent, bytes };
    return figures;
  }
}
