/** Makes JPEG of pictures beside the page, on one canvas that is used again and again. */
export interface EncodeJob {
  bitmap: ImageBitmap;
  width: number;
  height: number;
  quality: number;
}

export type EncodeResult = { blob: Blob } | { failed: string };

const canvas = new OffscreenCanvas(1, 1);
const context = canvas.getContext("2d", { alpha: false });

self.onmessage = async ({ data }: MessageEvent<EncodeJob>) => {
  const { bitmap, width, height, quality } = data;
  let result: EncodeResult;
  try {
    // Setting a size clears the canvas and takes new memory, also when it is the same.
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    if (!context) throw new Error("no canvas");
    context.drawImage(bitmap, 0, 0, width, height);
    result = { blob: await canvas.convertToBlob({ type: "image/jpeg", quality }) };
  } catch (error) {
    result = { failed: String(error) };
  } finally {
    // Without this the pictures live until the next collection, and a phone has not that much memory.
    bitmap.close();
  }
  self.postMessage(result);
};
