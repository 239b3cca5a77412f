/** The camera page at work: the camera, the connection, and what the server says, as signals that the page shows. */
import { computed, effect, signal } from "@preact/signals";
import { standingOf } from "../api";
import { BestEncoder } from "../capture/encoder";
import { Pacer } from "../capture/pacer";
import { Pump } from "../capture/pump";
import { Uplink } from "../capture/uplink";
import { Viewfinder } from "../capture/viewfinder";
import { Backoff } from "../link/backoff";
import { Connection, SILENT_MS } from "../link/connection";
import type { PictureLink, VideoLink } from "../link/link";
import { videoMayWork } from "../link/surroundings";
import { WebRtcLink } from "../link/webrtc";
import { socketUrl, WebSocketLink } from "../link/websocket";
import { keepPreferences, type Preferences, readPreferences } from "../preferences";
import type { Faces, Paired, ServerMessage, Welcome } from "../wire";
import { FigureKeeper, NO_FIGURES } from "./figures";
import { Confirmations, type Greeting } from "./kiosk";
import { type Mark, withMark } from "./marks";
import { ScreenLock } from "./wake";

const SECOND_MS = 1000;
// A box that nobody confirms any more is where nobody is.
const FACES_FADE_MS = 1500;
const CLIENT_FPS_MAX = 15;
const ASKED_AT_FIRST = { width: 640, height: 480 };

export class Station {
  readonly hidden = signal(false);
  readonly faces = signal<Faces | null>(null);
  readonly marks = signal<Mark[]>([]);
  readonly confirmed = signal<Greeting | null>(null);
  readonly figures = signal(NO_FIGURES);
  readonly latencyMs = signal<number | null>(null);
  /** The line is too slow for pictures as they were asked for. */
  readonly eased = signal(false);
  readonly picture = signal(ASKED_AT_FIRST);
  readonly nowMs = signal(performance.now());
  readonly preferences = signal<Preferences>(readPreferences(localStorage));
  readonly connection: Connection;
  readonly view = new Viewfinder(
    () => ({ deviceId: this.preferences.value.deviceId, size: this.picture.value }),
    () => !this.hidden.value,
    () => this.connection.streamChanged(),
  );
  readonly mirrored = computed(() => {
    const camera = this.view.state.value;
    return this.preferences.value.mirror ?? (camera.is === "on" && camera.front);
  });

  private readonly encoder = new BestEncoder();
  private readonly pacer = new Pacer();
  private readonly uplink = new Uplink();
  private readonly pump = new Pump(this.view.video, this.encoder, this.pacer, this.uplink);
  private readonly counts = new FigureKeeper();
  private readonly confirmations = new Confirmations();
  private readonly screen = new ScreenLock();
  private readonly endings: (() => void)[] = [];
  private welcome: Welcome | null = null;
  private heardAt = 0;
  private facesAt = 0;
  private clockOffsetMs: number | null = null;

  constructor(
    readonly device: Paired,
    private readonly onUnpaired: () => void,
  ) {
    this.connection = new Connection({
      openSocket: (events) => new WebSocketLink(socketUrl(location, device.camera_id), device.token, CLIENT_FPS_MAX, events),
      openVideo: (events) => {
        const camera = this.view.state.value;
        if (camera.is !== "on" || typeof RTCPeerConnection !== "function") return null;
        return new WebRtcLink(device.camera_id, device.token, camera.stream, events);
      },
      standing: () => standingOf(device.token),
      message: (message) => this.heard(message),
      videoMayWork: videoMayWork(location.hostname),
      backoff: new Backoff(),
      now: () => performance.now(),
    });
  }

  async start(): Promise<void> {
    this.listen();
    this.hidden.value = document.hidden;
    if (!(await this.view.open())) return;
    this.connection.start(this.preferences.value.transport);
    await this.screen.hold();
  }

  stop(): void {
    this.endings.splice(0).forEach((end) => end());
    this.connection.stop();
    this.pump.stop();
    this.view.close();
    this.screen.release();
    this.encoder.close();
    this.faces.value = null;
  }

  choose(change: Partial<Preferences>): void {
    const before = this.preferences.value;
    this.preferences.value = { ...before, ...change };
    keepPreferences(localStorage, this.preferences.value);
    if (change.deviceId !== undefined && change.deviceId !== before.deviceId) void this.view.open();
    if (change.transport !== undefined && this.connection.state.value.is !== "off") this.connection.start(change.transport);
  }

  /** Use the next camera of this device. */
  flip(): void {
    const deviceId = this.view.next();
    if (deviceId !== null) this.choose({ deviceId, mirror: null });
  }

  /** Use this device again after another took over, or try at once. */
  retry(): void {
    this.connection.retry();
  }

  /** Greet somebody who was marked in another way than by a face. */
  greet(greeting: Greeting): void {
    this.confirmations.add(greeting);
    this.confirm();
  }

  private listen(): void {
    const on = (target: EventTarget, type: string, work: () => void) => {
      target.addEventListener(type, work);
      this.endings.push(() => target.removeEventListener(type, work));
    };
    on(document, "visibilitychange", () => this.seen(!document.hidden));
    on(window, "online", () => this.connection.retry());
    on(window, "pagehide", () => this.connection.stop());
    // From the browser's memory of pages, where all of it was frozen.
    on(window, "pageshow", () => this.connection.state.value.is === "off" && this.seen(true));
    if (navigator.mediaDevices as MediaDevices | undefined) {
      on(navigator.mediaDevices, "devicechange", () => void this.view.list());
    }
    const second = setInterval(() => void this.everySecond(), SECOND_MS);
    const quarter = setInterval(() => this.confirm(), SECOND_MS / 4);
    this.endings.push(() => clearInterval(second), () => clearInterval(quarter));
    this.endings.push(effect(() => this.carry()));
  }

  private seen(visible: boolean): void {
    this.hidden.value = !visible;
    if (!visible) {
      this.faces.value = null;
      return;
    }
    void this.screen.hold();
    const camera = this.view.state.value;
    if (camera.is === "off" || camera.is === "opening") return;
    if (this.connection.state.value.is === "off") this.connection.start(this.preferences.value.transport);
    else this.connection.retry();
    void this.view.resume();
  }

  /** Runs again whenever the connection, the camera or the sight of the page changes: who carries what now. */
  private carry(): void {
    const state = this.connection.state.value;
    const works = this.view.state.value.is === "on" && !this.hidden.value;
    const link = state.is === "live" ? state.link : null;
    this.view.show(!this.hidden.value);
    if (state.is === "unpaired") queueMicrotask(this.onUnpaired);
    if (link?.carrier === "websocket" && works && this.welcome) this.pump.start(link, this.welcome);
    else this.pump.stop();
    if (!link || !works) this.faces.value = null;
    this.heardAt = performance.now();
  }

  private heard(message: ServerMessage): void {
    const now = performance.now();
    this.heardAt = now;
    switch (message.type) {
      case "welcome":
        this.welcome = message;
        this.picture.value = { width: message.width_px, height: message.height_px };
        this.clockOffsetMs = Date.parse(message.server_time) - Date.now();
        this.counts.connected();
        this.setPace(message.pace_fps);
        this.carry();
        break;
      case "pace":
        this.setPace(message.pace_fps);
        break;
      case "faces":
        this.seenFaces(message, now);
        break;
      case "attendance":
        this.marks.value = withMark(this.marks.value, message);
        if (this.marks.value[0]) this.confirmations.add(this.marks.value[0]);
        this.confirm();
        break;
      case "error":
        break; // the connection ends when it matters
    }
  }

  private setPace(fps: number): void {
    this.pacer.setFps(fps);
    const link = this.link();
    if (link?.carrier === "webrtc") link.setFps(fps);
  }

  private seenFaces(faces: Faces, now: number): void {
    this.counts.dropped(faces.dropped);
    if (this.link()?.carrier === "websocket") {
      this.uplink.answered(faces.frame, now);
      this.latencyMs.value = this.uplink.latencyMs;
    } else if (this.clockOffsetMs !== null) {
      const tookMs = Math.max(0, Date.now() + this.clockOffsetMs - Date.parse(faces.captured_at));
      this.latencyMs.value = this.latencyMs.value === null ? tookMs : 0.7 * this.latencyMs.value + 0.3 * tookMs;
    }
    if (this.hidden.value) return;
    this.facesAt = now;
    this.faces.value = faces;
  }

  private link(): PictureLink | VideoLink | null {
    const state = this.connection.state.value;
    return state.is === "live" ? state.link : null;
  }

  private confirm(): void {
    this.confirmed.value = this.confirmations.at(performance.now());
    if (this.faces.value && performance.now() - this.facesAt > FACES_FADE_MS) this.faces.value = null;
  }

  private async everySecond(): Promise<void> {
    const now = performance.now();
    this.nowMs.value = now;
    const link = this.link();
    const video = link?.carrier === "webrtc" ? await link.figures().catch(() => null) : null;
    this.figures.value = this.counts.at(now, this.pump.counts, video);
    this.eased.value = link?.carrier === "websocket" && this.uplink.eased;
    const works = this.view.state.value.is === "on" && !this.hidden.value && !this.view.muted.value;
    if (!link || !works) this.heardAt = now;
    else if (now - this.heardAt > SILENT_MS) this.connection.silent();
  }
}
