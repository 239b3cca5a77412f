/** The camera that is open now: which, how it does, and getting it back when the device takes it away. */
import { signal } from "@preact/signals";
import { Backoff } from "../link/backoff";
import {
  type CameraChoice, CameraFailed, type CameraProblem, hasTorch, listCameras, looksAtUser, openCamera, setTorch,
} from "./camera";
import type { Size } from "./geometry";

export type CameraState =
  | { is: "off" }
  | { is: "opening" }
  | { is: "on"; stream: MediaStream; track: MediaStreamTrack; front: boolean }
  | { is: "lost" }
  | { is: "failed"; problem: CameraProblem };

export class Viewfinder {
  readonly video = document.createElement("video");
  readonly state = signal<CameraState>({ is: "off" });
  readonly choices = signal<CameraChoice[]>([]);
  /** The device holds the picture back, as during a call. */
  readonly muted = signal(false);
  /** Null: this camera has no light. */
  readonly torch = signal<boolean | null>(null);
  private readonly reopening = new Backoff(1000, 10_000);
  private reopenTimer: ReturnType<typeof setTimeout> | undefined;
  private opened = 0;

  constructor(
    private readonly wanted: () => { deviceId: string | null; size: Size },
    /** Whether it makes sense to try now: a hidden page would be refused. */
    private readonly mayOpen: () => boolean,
    private readonly onStream: () => void,
  ) {
    Object.assign(this.video, { muted: true, playsInline: true, autoplay: true });
  }

  /** Open the camera that is wanted, anew if one is open; false when there is none now. */
  async open(): Promise<boolean> {
    const turn = ++this.opened;
    clearTimeout(this.reopenTimer);
    const wasOn = this.state.value.is === "on" || this.state.value.is === "lost";
    if (!wasOn) this.state.value = { is: "opening" };
    // Many phones open only one camera at a time.
    this.release();
    try {
      const { deviceId, size } = this.wanted();
      const stream = await openCamera(deviceId, size);
      const track = stream.getVideoTracks()[0];
      if (turn !== this.opened || !track) {
        stream.getTracks().forEach((each) => each.stop());
        return false;
      }
      this.use(stream, track);
      await this.list();
      return turn === this.opened; // closed, or opened anew, meanwhile
    } catch (error) {
      if (turn !== this.opened) return false;
      const problem = error instanceof CameraFailed ? error.problem : "failed";
      if (wasOn && problem !== "denied") this.lose();
      else this.state.value = { is: "failed", problem };
      return false;
    }
  }

  close(): void {
    this.opened += 1;
    clearTimeout(this.reopenTimer);
    this.release();
    this.state.value = { is: "off" };
  }

  /** The page is seen again: after a sleep or a call the camera may be over without a word. */
  async resume(): Promise<void> {
    const state = this.state.value;
    if (state.is === "lost" || (state.is === "on" && state.track.readyState === "ended")) await this.open();
    else if (state.is === "on") await this.video.play().catch(() => undefined);
  }

  /** The picture is black while it is not shown. */
  show(on: boolean): void {
    if (this.state.value.is === "on") this.state.value.track.enabled = on;
  }

  async list(): Promise<void> {
    this.choices.value = await listCameras().catch(() => []);
  }

  /** The camera after the one in use; null when there is no other. */
  next(): string | null {
    const [state, all] = [this.state.value, this.choices.value];
    if (state.is !== "on" || all.length < 2) return null;
    const at = all.findIndex((choice) => choice.deviceId === state.track.getSettings().deviceId);
    return all[(at + 1) % all.length]?.deviceId ?? null;
  }

  async light(on: boolean): Promise<void> {
    if (this.state.value.is !== "on") return;
    try {
      await setTorch(this.state.value.track, on);
      this.torch.value = on;
    } catch {
      this.torch.value = null; // it said that it has one
    }
  }

  private use(stream: MediaStream, track: MediaStreamTrack): void {
    const front = looksAtUser(track.getSettings().facingMode, track.label, matchMedia("(pointer: coarse)").matches);
    track.onended = () => this.isCurrent(track) && this.lose();
    track.onmute = () => this.isCurrent(track) && (this.muted.value = true);
    track.onunmute = () => this.isCurrent(track) && (this.muted.value = false);
    this.muted.value = track.muted;
    this.torch.value = hasTorch(track) ? false : null;
    this.video.srcObject = stream;
    // Refused while the page is hidden; it plays when it is shown again.
    this.video.play().catch(() => undefined);
    this.state.value = { is: "on", stream, track, front };
    this.reopening.reset();
    this.onStream();
  }

  private isCurrent(track: MediaStreamTrack): boolean {
    return this.state.value.is === "on" && this.state.value.track === track;
  }

  private lose(): void {
    this.state.value = { is: "lost" };
    if (this.mayOpen()) this.reopenTimer = setTimeout(() => void this.open(), this.reopening.next());
  }

  private release(): void {
    const { srcObject } = this.video;
    if (srcObject instanceof MediaStream) {
      for (const track of srcObject.getTracks()) {
        track.onended = null;
        track.stop();
      }
    }
    this.video.srcObject = null;
  }
}
