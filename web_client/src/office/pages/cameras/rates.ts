/** What a camera's counts say: how many pictures a second were looked at, and how many were dropped. */
import type { Shapes } from "../../rest";

export type Camera = Shapes["CameraBody"];

interface Reading {
  atMs: number;
  processed: number;
}

/** Remembers the reading before, since the server counts and does not measure. */
export class Rates {
  private readonly before = new Map<string, Reading>();
  private readonly rates = new Map<string, number>();

  feed(cameras: readonly Camera[], atMs: number): void {
    for (const { id, frames } of cameras) {
      const processed = frames?.["processed"];
      const last = this.before.get(id);
      if (processed === undefined) {
        this.before.delete(id);
        this.rates.delete(id);
        continue;
      }
      // Fewer than before: it connected anew, and its counts began anew.
      if (last && processed >= last.processed && atMs > last.atMs) this.rates.set(id, (1000 * (processed - last.processed)) / (atMs - last.atMs));
      else this.rates.delete(id);
      this.before.set(id, { atMs, processed });
    }
  }

  /** Pictures a second; null when there is only one reading. */
  of(id: string): number | null {
    return this.rates.get(id) ?? null;
  }
}

/** The part of the pictures that was dropped, 0 to 1, and how many they are. Null before the first picture. */
export function dropsOf({ frames }: Camera): { share: number; count: number } | null {
  const received = frames?.["received"] ?? 0;
  const dropped = frames?.["dropped"] ?? 0;
  return received === 0 ? null : { share: dropped / received, count: dropped };
}

/** How long ago the last picture came, in seconds. */
export function ageOf({ pull, looked_at_age_s: looked }: Camera): number | null {
  return pull?.last_frame_age_s ?? looked ?? null;
}
