/** Sizes and places: of the picture that is sent, and of boxes over the picture that is shown. */
export interface Size {
  width: number;
  height: number;
}

export interface Rect extends Size {
  x: number;
  y: number;
}

export type Fit = "contain" | "cover";

/**
 * The size to send: as large as fits into what is asked for, turned when the picture stands upright, and never larger
 * than the picture itself.
 */
export function sizeToSend(picture: Size, asked: Size, scale: number): Size {
  const upright = picture.height > picture.width;
  const [long, short] = [Math.max(asked.width, asked.height), Math.min(asked.width, asked.height)];
  const room = upright ? { width: short, height: long } : { width: long, height: short };
  const factor = Math.min(1, (room.width * scale) / picture.width, (room.height * scale) / picture.height);
  // JPEG stores colour for two by two pixels.
  const even = (pixels: number) => Math.max(2, 2 * Math.round((pixels * factor) / 2));
  return { width: even(picture.width), height: even(picture.height) };
}

/**
 * Where a box of the picture that was sent lies in the element that shows it, in the element's pixels.
 *
 * `box` is x1, y1, x2, y2 in a picture of the size `sent`, which shows the same as the one shown, unmirrored.
 */
export function placeBox(
  box: readonly [number, number, number, number],
  sent: Size,
  element: Size,
  fit: Fit,
  mirrored: boolean,
): Rect {
  const [across, down] = [element.width / sent.width, element.height / sent.height];
  const factor = fit === "cover" ? Math.max(across, down) : Math.min(across, down);
  const left = (element.width - sent.width * factor) / 2;
  const top = (element.height - sent.height * factor) / 2;
  const [x1, y1, x2, y2] = box;
  const width = (x2 - x1) * factor;
  const x = left + x1 * factor;
  return { x: mirrored ? element.width - x - width : x, y: top + y1 * factor, width, height: (y2 - y1) * factor };
}
