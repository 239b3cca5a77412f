/**
 * Keeps a camera connected: chooses what carries it, falls back by itself, and comes back after every break.
 *
 * Pictures over a WebSocket come first, because they work at once and everywhere. Where WebRTC may work it is tried
 * beside them; once the server welcomes it, it takes the camera over, and nothing is lost if it never does. Both are
 * the same camera for the server, so that people stay known across a change.
 */
import { signal } from "@preact/signals";
import type { Standing } from "../api";
import type { Transport } from "../preferences";
import type { ServerMessage } from "../wire";
import type { Backoff } from "./backoff";
import type { Ending, Link, LinkEvents, PictureLink, VideoLink } from "./link";

export type ConnectionState =
  | { is: "off" }
  | { is: "connecting" }
  | { is: "live"; link: PictureLink | VideoLink }
  /** `full`: the server itself said that it has no room for this camera now. */
  | { is: "waiting"; untilMs: number; full: boolean }
  | { is: "replaced" }
  | { is: "unpaired" };

export interface Surroundings {
  openSocket: (events: LinkEvents) => PictureLink;
  /** Null when there is no picture to send or no WebRTC in this browser. */
  openVideo: (events: LinkEvents) => VideoLink | null;
  /** Asked when a connection is refused, for the browser does not say why. */
  standing: () => Promise<Standing>;
  message: (message: ServerMessage) => void;
  /** Whether WebRTC is worth a try when nobody has chosen. */
  videoMayWork: boolean;
  backoff: Backoff;
  now: () => number;
}

export const STEADY_MS = 10_000;
export const VIDEO_AFTER_MS = 3_000;
export const VIDEO_AGAIN_MS = 600_000;
export const SILENT_MS = 10_000;
/** A server that is full is not helped by being asked every second. */
export const FULL_MS = 5_000;

export class Connection {
  readonly state = signal<ConnectionState>({ is: "off" });
  /** Why WebRTC does not carry the camera although it was chosen. */
  readonly fellBack = signal(false);
  private socket: PictureLink | null = null;
  private video: VideoLink | null = null;
  private transport: Transport = "auto";
  private liveSince = 0;
  private videoBlockedUntil = 0;
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(private readonly around: Surroundings) {}

  start(transport: Transport): void {
    this.stop();
    this.transport = transport;
    this.videoBlockedUntil = 0;
    this.fellBack.value = false;
    this.connect();
  }

  stop(): void {
    this.closeAll();
    this.state.value = { is: "off" };
  }

  /** Try at once, because the network came back or somebody asked for it. */
  retry(): void {
    if (this.state.value.is !== "waiting" && this.state.value.is !== "replaced") return;
    this.around.backoff.reset();
    this.connect();
  }

  /** Nothing was heard although pictures were sent: the line is dead, and the browser may not notice for minutes. */
  silent(): void {
    if (this.state.value.is !== "live") return;
    this.closeAll();
    this.lost();
  }

  /** What the camera shows has changed to another stream: video has to be offered anew. */
  streamChanged(): void {
    if (!this.video) return;
    this.dropVideo();
    this.connect();
  }

  private connect(): void {
    this.closeAll();
    this.state.value = { is: "connecting" };
    if (this.transport === "webrtc" && this.tryVideo()) return;
    this.openSocket();
  }

  private openSocket(): void {
    const link: PictureLink = this.around.openSocket({
      message: (message) => this.heard(link, message),
      ended: (ending) => {
        if (this.socket !== link) return;
        this.socket = null;
        this.ended(ending);
      },
    });
    this.socket = link;
  }

  private tryVideo(): boolean {
    if (this.video || this.around.now() < this.videoBlockedUntil) return false;
    const link: VideoLink | null = this.around.openVideo({
      message: (message) => this.heard(link, message),
      ended: (ending) => {
        if (this.video !== link) return;
        this.video = null;
        this.videoEnded(ending);
      },
    });
    this.video = link;
    return link !== null;
  }

  private heard(link: Link | null, message: ServerMessage): void {
    if (message.type === "welcome" && link) this.welcomed(link);
    // The one that was just replaced may still have a word on its way.
    if (link === this.current()) this.around.message(message);
  }

  private current(): Link | null {
    return this.state.value.is === "live" ? this.state.value.link : null;
  }

  private welcomed(link: Link): void {
    if (link === this.video) {
      this.socket?.close();
      this.socket = null;
      this.fellBack.value = false;
      this.live(this.video);
    } else if (link === this.socket) {
      this.live(this.socket);
      const chosen = this.transport === "auto" && this.around.videoMayWork;
      if (chosen) this.after("video", VIDEO_AFTER_MS, () => this.tryVideo());
    }
  }

  private live(link: PictureLink | VideoLink): void {
    this.state.value = { is: "live", link };
    this.liveSince = this.around.now();
    // A server that takes and drops connections is not helped by being asked more often.
    this.after("steady", STEADY_MS, () => this.around.backoff.reset());
  }

  private videoEnded(ending: Ending): void {
    const wasLive = this.state.value.is === "live" && this.state.value.link.carrier === "webrtc";
    // What worked for a while is worth another try soon.
    const worked = wasLive && this.around.now() - this.liveSince > STEADY_MS;
    this.videoBlockedUntil = this.around.now() + (worked ? STEADY_MS : VIDEO_AGAIN_MS);
    this.fellBack.value = this.transport === "webrtc" || wasLive;
    if (this.socket) return; // it never took over
    if (ending === "replaced") this.replaced();
    else this.connect();
  }

  private ended(ending: Ending): void {
    if (ending === "replaced" && this.video) {
      // By ourselves: the server took the video before its welcome came through.
      this.state.value = { is: "connecting" };
      return;
    }
    this.dropVideo();
    if (ending === "replaced") this.replaced();
    else if (ending === "away") this.lost();
    else if (ending === "full") this.lost(FULL_MS);
    else void this.ask();
  }

  private async ask(): Promise<void> {
    const asking: ConnectionState = { is: "connecting" };
    this.state.value = asking;
    const standing = await this.around.standing();
    if (this.socket || this.video || this.state.value !== asking) return; // started anew meanwhile
    if (standing === "unpaired") {
      this.closeAll();
      this.state.value = { is: "unpaired" };
    } else this.lost();
  }

  private lost(leastMs = 0): void {
    const waitMs = Math.max(leastMs, this.around.backoff.next());
    this.state.value = { is: "waiting", untilMs: this.around.now() + waitMs, full: leastMs === FULL_MS };
    this.after("retry", waitMs, () => this.connect());
    clearTimeout(this.timers.get("steady"));
    this.timers.delete("steady");
  }

  private replaced(): void {
    this.closeAll();
    this.state.value = { is: "replaced" };
  }

  private dropVideo(): void {
    const { video } = this;
    this.video = null;
    video?.close();
  }

  private closeAll(): void {
    this.timers.forEach(clearTimeout);
    this.timers.clear();
    const { socket } = this;
    this.socket = null;
    socket?.close();
    this.dropVideo();
  }

  private after(name: string, ms: number, work: () => void): void {
    clearTimeout(this.timers.get(name));
    this.timers.set(name, setTimeout(work, ms));
  }
}
