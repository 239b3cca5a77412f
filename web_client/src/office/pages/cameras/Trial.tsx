/** What came of opening a camera once: its first picture, or why there is none. */
import { useEffect, useState } from "preact/hooks";
import { words } from "words/cameras";
import { decimal } from "../../../text/format";
import { Note } from "../../parts/states";
import type { Shapes } from "../../rest";

export type Tried = Shapes["CameraTest"];

// The server gives up after 25 seconds; one that waits for its turn takes longer.
export const TRIAL_TIMEOUT_MS = 60_000;

export function Trial({ tried }: { tried: Tried }) {
  const source = usePicture(tried.jpeg_base64 ?? null);
  if (!tried.ok) {
    return (
      <Note tone="bad" title={words.nothing}>
        <p>{tried.reason}</p>
      </Note>
    );
  }
  const fps = tried.fps ? words.fps(decimal(tried.fps)) : "";
  return (
    <div class="trial">
      {source !== "" && <img src={source} alt={words.picture} />}
      <Note tone="good" title={words.came(`${tried.width_px ?? 0} × ${tried.height_px ?? 0}`, [tried.via, tried.codec].filter(Boolean).join(" "), fps)} />
    </div>
  );
}

/** The policy of the page takes pictures from blobs, and no data: addresses. */
function usePicture(base64: string | null): string {
  const [source, setSource] = useState("");
  useEffect(() => {
    if (base64 === null) return;
    const bytes = Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0));
    const address = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
    setSource(address);
    return () => {
      URL.revokeObjectURL(address);
      setSource("");
    };
  }, [base64]);
  return source;
}
