/** Whether it is live, in one badge, and what to do when it is not. */
import { text } from "../text";
import type { Station } from "./station";

export type Condition = "live" | "busy" | "off";

export interface Standing {
  condition: Condition;
  badge: string;
  /** Said over the picture; empty while all is well. */
  words: string;
  action: string;
}

/** How it stands, from signals that whoever asks is then told about. */
export function standing(station: Station): Standing {
  const words = text.camera.status;
  const [state, camera] = [station.connection.state.value, station.view.state.value];
  const bad = (badge: string, said: string, action = ""): Standing => ({ condition: "off", badge, words: said, action });
  if (station.hidden.value) return bad(words.paused, words.pausedHidden);
  if (camera.is === "lost") return bad(words.paused, words.reopening);
  if (camera.is === "on" && station.view.muted.value) return bad(words.paused, words.pausedByDevice);
  switch (state.is) {
    case "live":
      return { condition: "live", badge: words.live, words: "", action: "" };
    case "waiting": {
      const seconds = Math.max(0, Math.ceil((state.untilMs - station.nowMs.value) / 1000));
      const said = `${words.waiting(seconds)} ${words.offlineNote}`;
      return bad(words.waitingShort, state.full ? `${words.full} ${said}` : said, words.retry);
    }
    case "replaced":
      return bad(words.waitingShort, words.replaced, words.takeOver);
    default:
      return { condition: "busy", badge: words.connecting, words: "", action: "" };
  }
}

export function Badge({ condition, badge }: Standing) {
  return (
    <span class={`badge ${condition}`} role="status">
      <span class="dot" aria-hidden="true" />
      {badge}
    </span>
  );
}

export function Banner({ now, onAction }: { now: Standing; onAction: () => void }) {
  if (now.words === "") return null;
  return (
    <div class="banner">
      <p>{now.words}</p>
      {now.action && (
        <button type="button" onClick={onAction}>
          {now.action}
        </button>
      )}
    </div>
  );
}
