/** Pictures of a playing video as JPEG, one at a time and without a new canvas for each. */
import type { EncodeJob, EncodeResult } from "./encode.worker";
import type { Size } from "./geometry";

export interface FrameEncoder {
  /** `quality` is 0 to 1. Rejects when no picture can be made. */
  encode(video: HTMLVideoElement, size: Size, quality: number): Promise<Blob>;
  close(): void;
}

const TIMEOUT_MS = 5000;

export class CanvasEncoder implements FrameEncoder {
  private readonly canvas = document.createElement("canvas");
  private readonly context = this.canvas.getContext("2d", { alpha: false });

  async encode(video: HTMLVideoElement, { width, height }: Size, quality: number): Promise<Blob> {
    const { canvas, context } = this;
    if (!context) throw new Error("this browser draws no pictures");
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    context.drawImage(video, 0, 0, width, height);
    return new Promise((resolve, reject) => {
      canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture"))), "image/jpeg", quality);
    });
  }

  close(): void {
    this.canvas.width = this.canvas.height = 0; // Safari keeps the memory of canvases for a long time
  }
}

/**
 * The picture that the video shows, where its pixels can be copied; null: draw it.
 *
 * A Chromium that has no graphics processor keeps a copy of each picture of a video that is drawn, until it holds 512 MB
 * of them. Copied pixels leave nothing behind.
 */
export function frameOf(video: HTMLVideoElement): VideoFrame | null {
  if (typeof VideoFrame !== "function") return null;
  const frame = new VideoFrame(video);
  const { rotation, flip } = frame as { rotation?: number; flip?: boolean };
  const { visibleRect: pixels, displayWidth, displayHeight } = frame;
  // Pixels come as the camera has them: those that a phone turns or stretches only for the eye have to be drawn.
  const straight = rotation === 0 && flip === false;
  if (straight && pixels?.width === displayWidth && pixels.height === displayHeight) return frame;
  frame.close();
  return null;
}

class WorkerEncoder implements FrameEncoder {
  private readonly worker = new Worker(new URL("./encode.worker.ts", import.meta.url));

  async encode(video: HTMLVideoElement, size: Size, quality: number): Promise<Blob> {
    const picture = frameOf(video) ?? (await createImageBitmap(video));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("the worker does not answer")), TIMEOUT_MS);
      this.worker.onerror = () => {
        clearTimeout(timer);
        reject(new Error("the worker does not run"));
      };
      this.worker.onmessage = ({ data }: MessageEvent<EncodeResult>) => {
        clearTimeout(timer);
        if ("blob" in data) resolve(data.blob);
        else reject(new Error(data.failed));
      };
      const job: EncodeJob = { picture, ...size, quality };
      this.worker.postMessage(job, [picture]);
    });
  }

  close(): void {
    this.worker.terminate();
  }
}

/** In a worker where the browser can; on the page once the worker has failed, as it does in older browsers. */
export class BestEncoder implements FrameEncoder {
  private inner: FrameEncoder;

  constructor() {
    const can = typeof OffscreenCanvas === "function" && typeof createImageBitmap === "function";
    this.inner = can && "convertToBlob" in OffscreenCanvas.prototype ? new WorkerEncoder() : new CanvasEncoder();
  }

  async encode(video: HTMLVideoElement, size: Size, quality: number): Promise<Blob> {
    try {
      return await this.inner.encode(video, size, quality);
    } catch (error) {
      if (this.inner instanceof CanvasEncoder) throw error;
      this.inner.close();
      this.inner = new CanvasEncoder();
      return this.inner.encode(video, size, quality);
    }
  }

  close(): void {
    this.inner.close();
  }
}
