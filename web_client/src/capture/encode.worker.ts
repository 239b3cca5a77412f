/** Makes JPEG of pictures beside the page, on canvases that are used again and again. */
export interface EncodeJob {
  picture: ImageBitmap | VideoFrame;
  width: number;
  height: number;
  quality: number;
}

export type EncodeResult = { blob: Blob } | { failed: string };

const canvas = new OffscreenCanvas(1, 1);
const context = canvas.getContext("2d", { alpha: false });
const whole = new OffscreenCanvas(1, 1);
const wholeContext = whole.getContext("2d", { alpha: false, willReadFrequently: true });
let pixels = new Uint8ClampedArray(0);
// Browsers that do not convert the colours say so at the first picture.
let copies = true;

// Setting a size clears the canvas and takes new memory, also when it is the same.
function fit(paper: OffscreenCanvas, width: number, height: number): void {
  if (paper.width !== width || paper.height !== height) Object.assign(paper, { width, height });
}

/** The picture as something that can be drawn without a trace. */
async function drawable(picture: ImageBitmap | VideoFrame): Promise<CanvasImageSource> {
  if (!("copyTo" in picture) || !copies || !wholeContext) return picture;
  const { displayWidth: width, displayHeight: height } = picture;
  try {
    if (pixels.length !== 4 * width * height) pixels = new Uint8ClampedArray(4 * width * height);
    await picture.copyTo(pixels, { format: "RGBA" });
  } catch {
    copies = false;
    return picture;
  }
  fit(whole, width, height);
  wholeContext.putImageData(new ImageData(pixels, width, height), 0, 0);
  return whole;
}

self.onmessage = async ({ data }: MessageEvent<EncodeJob>) => {
  const { picture, width, height, quality } = data;
  let result: EncodeResult;
  try {
    fit(canvas, width, height);
    if (!context) throw new Error("no canvas");
    context.drawImage(await drawable(picture), 0, 0, width, height);
    result = { blob: await canvas.convertToBlob({ type: "image/jpeg", quality }) };
  } catch (error) {
    result = { failed: String(error) };
  } finally {
    // Without this the pictures live until the next collection, and a phone has not that much memory.
    picture.close();
  }
  self.postMessage(result);
};
