/** The camera's video over WebRTC, by WHIP; what the server says comes over a data channel. */
import { request } from "../api";
import { type Hello, parseMessage } from "../wire";
import { CLIENT, type Ending, type LinkEvents, type VideoFigures, type VideoLink } from "./link";

const CONNECT_TIMEOUT_MS = 10_000;
const GATHER_TIMEOUT_MS = 3_000;
// A line that is gone for a moment comes back by itself.
const DISCONNECTED_MS = 5_000;
const KBPS_MAX = 1_200;
const ENDINGS: Record<string, Ending> = { replaced: "replaced", removed: "revoked", policy: "refused" };

/** Bounds the video: faces need pixels more than they need frames, and the server looks at few of them. */
function bounded(parameters: RTCRtpSendParameters, fps: number): RTCRtpSendParameters {
  const encodings = parameters.encodings.length > 0 ? parameters.encodings : [{}];
  for (const encoding of encodings) Object.assign(encoding, { maxBitrate: KBPS_MAX * 1000, maxFramerate: fps });
  return { ...parameters, encodings, degradationPreference: "maintain-resolution" };
}

export class WebRtcLink implements VideoLink {
  readonly carrier = "webrtc";
  private readonly connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  private readonly timers = new Set<ReturnType<typeof setTimeout>>();
  private session: string | null = null;
  private sender: RTCRtpSender | null = null;
  private fps = 15;
  private ending: Ending = "away";
  private over = false;

  constructor(
    private readonly cameraId: string,
    private readonly token: string,
    stream: MediaStream,
    private readonly events: LinkEvents,
  ) {
    this.after(CONNECT_TIMEOUT_MS, () => this.connection.connectionState !== "connected" && this.end("refused"));
    this.open(stream).catch(() => this.end("refused"));
  }

  setFps(fps: number): void {
    const wanted = Math.min(15, Math.max(5, Math.ceil(fps * 1.5)));
    if (wanted === this.fps || !this.sender) return;
    this.fps = wanted;
    // Refused where it is not known; the server then drops what it does not need.
    this.sender.setParameters(bounded(this.sender.getParameters(), wanted)).catch(() => undefined);
  }

  async figures(): Promise<VideoFigures | null> {
    if (this.over || !this.sender) return null;
    for (const report of (await this.sender.getStats()).values()) {
      const { type, framesSent, bytesSent, frameWidth, frameHeight } = report as Record<string, unknown>;
      if (type !== "outbound-rtp") continue;
      return {
        frames: Number(framesSent ?? 0),
        bytes: Number(bytesSent ?? 0),
        width: Number(frameWidth ?? 0),
        height: Number(frameHeight ?? 0),
      };
    }
    return null;
  }

  close(): void {
    if (this.over) return;
    this.over = true;
    this.timers.forEach(clearTimeout);
    this.connection.close();
    // The server would notice by itself, but holds the peer's memory until then.
    if (this.session !== null) void this.deleteSession(this.session);
  }

  private async open(stream: MediaStream): Promise<void> {
    const { connection } = this;
    const track = stream.getVideoTracks()[0];
    if (!track) throw new Error("no video");
    const channel = connection.createDataChannel("rollcall");
    channel.onopen = () => {
      const hello: Hello = { type: "hello", client: CLIENT, max_fps: null, faces: true };
      channel.send(JSON.stringify(hello));
    };
    channel.onmessage = ({ data }: MessageEvent<unknown>) => this.take(data);
    channel.onclose = () => this.end(this.ending);
    connection.onconnectionstatechange = () => this.watch();
    this.sender = connection.addTrack(track, stream);
    await this.sender.setParameters(bounded(this.sender.getParameters(), this.fps)).catch(() => undefined);
    await connection.setLocalDescription();
    await this.gathered();
    const answer = await request(
      `/whip/${encodeURIComponent(this.cameraId)}`,
      { method: "POST", headers: { "Content-Type": "application/sdp" }, body: connection.localDescription?.sdp ?? "" },
      this.token,
    );
    this.session = this.sessionOf(answer);
    const sdp = await answer.text();
    if (this.isOver()) {
      if (this.session !== null) await this.deleteSession(this.session);
      return;
    }
    // The answer holds the server's own relayed address where it has a TURN server: this side needs none.
    await connection.setRemoteDescription({ type: "answer", sdp });
  }

  /** Where the session is; only on this server, because the token is sent there. */
  private sessionOf(answer: Response): string | null {
    const location = answer.headers.get("Location");
    if (location === null) return null;
    const url = new URL(location, window.location.href);
    return url.origin === window.location.origin ? url.pathname : null;
  }

  private async deleteSession(session: string): Promise<void> {
    await request(session, { method: "DELETE", keepalive: true }, this.token).catch(() => undefined);
  }

  private gathered(): Promise<void> {
    const { connection } = this;
    return new Promise((resolve) => {
      const look = () => connection.iceGatheringState === "complete" && resolve();
      connection.onicegatheringstatechange = look;
      look();
      this.after(GATHER_TIMEOUT_MS, resolve);
    });
  }

  private take(data: unknown): void {
    const message = this.over ? null : parseMessage(data);
    if (!message) return;
    if (message.type === "error") this.ending = ENDINGS[message.code] ?? this.ending;
    this.events.message(message);
  }

  private watch(): void {
    const state = this.connection.connectionState;
    if (state === "failed" || state === "closed") this.end(this.ending);
    if (state === "disconnected") {
      this.after(DISCONNECTED_MS, () => this.connection.connectionState === "disconnected" && this.end("away"));
    }
  }

  private isOver(): boolean {
    return this.over;
  }

  private after(ms: number, work: () => unknown): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      work();
    }, ms);
    this.timers.add(timer);
  }

  private end(ending: Ending): void {
    if (this.over) return;
    this.close();
    this.events.ended(ending);
  }
}
