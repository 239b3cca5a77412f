/** One connection of a camera to the server, whatever carries it. */
import type { ServerMessage } from "../wire";

export type Carrier = "websocket" | "webrtc";

/**
 * Why a connection ended: `away` is the line or the server, and worth another try; `refused` happened before it was
 * made, and the server may say why when it is asked; `full` is a server that has no room for it now.
 */
export type Ending = "away" | "refused" | "replaced" | "revoked" | "full";

export interface LinkEvents {
  message: (message: ServerMessage) => void;
  ended: (ending: Ending) => void;
}

export interface Link {
  readonly carrier: Carrier;
  /** End it; nothing is told any more. */
  close(): void;
}

/** One that takes single pictures. */
export interface PictureLink extends Link {
  readonly carrier: "websocket";
  /** Bytes that the browser still holds. */
  readonly bufferedBytes: number;
  send(picture: Blob): void;
}

export interface VideoFigures {
  frames: number;
  bytes: number;
  width: number;
  height: number;
}

/** One that takes the camera's video as it is. */
export interface VideoLink extends Link {
  readonly carrier: "webrtc";
  setFps(fps: number): void;
  figures(): Promise<VideoFigures | null>;
}

export const CLIENT = "rollcall-web 1";
