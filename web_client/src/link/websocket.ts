/** Pictures as binary messages over a WebSocket: it works wherever this page could be loaded. */
import { type Hello, parseMessage } from "../wire";
import { CLIENT, type Ending, type LinkEvents, type PictureLink } from "./link";

const CLOSE_REPLACED = 4409;
const CLOSE_REVOKED = 4401;
// With its camera a device loses its token, too.
const CLOSE_REMOVED = 4404;
// "Try again later": there is no room for this camera.
const CLOSE_FULL = 1013;
const OPEN_TIMEOUT_MS = 15_000;

export function socketUrl(page: { protocol: string; host: string }, cameraId: string): string {
  const scheme = page.protocol === "https:" ? "wss:" : "ws:";
  return `${scheme}//${page.host}/ws/v1/camera/${encodeURIComponent(cameraId)}`;
}

export function endingOf(code: number, wasOpen: boolean): Ending {
  if (code === CLOSE_REPLACED) return "replaced";
  if (code === CLOSE_REVOKED || code === CLOSE_REMOVED) return "revoked";
  if (code === CLOSE_FULL) return "full";
  return wasOpen ? "away" : "refused";
}

export class WebSocketLink implements PictureLink {
  readonly carrier = "websocket";
  private readonly socket: WebSocket;
  private readonly timer: ReturnType<typeof setTimeout>;
  private over = false;

  constructor(url: string, token: string, maxFps: number, events: LinkEvents) {
    // A browser cannot set headers on a socket, and addresses are logged.
    this.socket = new WebSocket(url, ["rollcall.v1", `rollcall.bearer.${token}`]);
    let wasOpen = false;
    const end = (ending: Ending) => {
      if (this.over) return;
      this.close();
      events.ended(ending);
    };
    this.timer = setTimeout(() => end("away"), OPEN_TIMEOUT_MS);
    this.socket.onopen = () => {
      wasOpen = true;
      clearTimeout(this.timer);
      const hello: Hello = { type: "hello", client: CLIENT, max_fps: maxFps, faces: true };
      this.socket.send(JSON.stringify(hello));
    };
    this.socket.onmessage = ({ data }: MessageEvent<unknown>) => {
      const message = this.over ? null : parseMessage(data);
      if (message) events.message(message);
    };
    this.socket.onclose = ({ code }) => end(endingOf(code, wasOpen));
  }

  get bufferedBytes(): number {
    return this.socket.bufferedAmount;
  }

  send(picture: Blob): void {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(picture);
  }

  close(): void {
    this.over = true;
    clearTimeout(this.timer);
    this.socket.close();
  }
}
