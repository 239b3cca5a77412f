/** Carries pictures from the camera to a socket: when one is due and the line has room, the newest and no other. */
import type { PictureLink } from "../link/link";
import type { Welcome } from "../wire";
import type { FrameEncoder } from "./encoder";
import { type Size, sizeToSend } from "./geometry";
import type { Pacer } from "./pacer";
import type { Uplink } from "./uplink";

// How soon it is looked again whether the line has room.
const LOOK_AGAIN_MS = 25;
const NO_PICTURE_MS = 100;

export interface PumpCounts {
  sent: number;
  /** Frames that were due and not taken, because the line had no room. */
  skipped: number;
  bytes: number;
  failed: number;
}

export class Pump {
  readonly counts: PumpCounts = { sent: 0, skipped: 0, bytes: 0, failed: 0 };
  lastSize: Size = { width: 0, height: 0 };
  private timer: ReturnType<typeof setTimeout> | undefined;
  private link: PictureLink | null = null;
  private asked: Welcome | null = null;
  private busy = false;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly encoder: FrameEncoder,
    private readonly pacer: Pacer,
    private readonly uplink: Uplink,
    private readonly now: () => number = () => performance.now(),
  ) {}

  start(link: PictureLink, asked: Welcome): void {
    this.stop();
    this.link = link;
    this.asked = asked;
    this.pacer.restart();
    this.uplink.connected(this.now());
    this.schedule(0);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.link = null;
  }

  private schedule(ms: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.tick(), ms);
  }

  private async tick(): Promise<void> {
    const { link, asked, video } = this;
    if (!link || !asked || this.busy) return;
    const wait = this.pacer.waitMs(this.now());
    if (wait > 0) {
      this.schedule(wait);
      return;
    }
    const picture = { width: video.videoWidth, height: video.videoHeight };
    const shows = picture.width > 0 && video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA;
    if (!shows || !this.uplink.mayTake(this.now(), link.bufferedBytes)) {
      this.schedule(shows ? LOOK_AGAIN_MS : NO_PICTURE_MS);
      return;
    }
    this.counts.skipped += this.pacer.take(this.now());
    this.busy = true;
    try {
      await this.take(link, asked, picture);
    } catch {
      this.counts.failed += 1;
    } finally {
      this.busy = false;
    }
    // Another connection may have been started while the picture was made.
    if (this.link) this.schedule(this.pacer.waitMs(this.now()));
  }

  private async take(link: PictureLink, asked: Welcome, picture: Size): Promise<void> {
    const { scale, quality } = this.uplink.detail;
    const size = sizeToSend(picture, { width: asked.width_px, height: asked.height_px }, scale);
    const blob = await this.encoder.encode(this.video, size, (asked.quality * quality) / 100);
    if (this.link !== link) return;
    if (blob.size > asked.max_bytes) {
      // It would end the connection.
      this.counts.skipped += 1;
      return;
    }
    link.send(blob);
    this.uplink.sent(this.now());
    this.lastSize = size;
    this.counts.sent += 1;
    this.counts.bytes += blob.size;
  }
}
