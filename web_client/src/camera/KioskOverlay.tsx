/** Kiosk: one person at a time, a large answer. */
import { useEffect, useState } from "preact/hooks";
import { text, timeOfDay } from "../text";
import { Icon } from "../ui/icons";
import { capital, type Prompt, promptFor } from "./kiosk";
import { PinPad } from "./PinPad";
import type { Station } from "./station";

interface Props {
  station: Station;
  live: boolean;
  onLeave: () => void;
}

// Words that change with every picture cannot be read.
const SETTLED_MS = 500;

/** The prompt once it has stood for a moment. */
function useSettled(prompt: Prompt): Prompt {
  const [settled, setSettled] = useState(prompt);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(prompt), SETTLED_MS);
    return () => clearTimeout(timer);
  }, [prompt.title, prompt.detail]);
  return settled;
}

export function KioskOverlay({ station, live, onLeave }: Props) {
  const words = text.camera.kiosk;
  const prompt = useSettled(promptFor(station.faces.value, station.marks.value));
  const [typing, setTyping] = useState(false);
  const mark = live ? station.confirmed.value : null;
  return (
    <div class="kiosk">
      <button type="button" class="leave" onClick={onLeave}>
        <Icon name="close" /> {words.leave}
      </button>
      {mark ? (
        <div class={`confirmation ${mark.status}`} key={mark.key} role="status">
          <span class="big-tick">
            <Icon name="check" />
          </span>
          <p class="name">{mark.name}</p>
          <p class="detail">{mark.said ?? words.confirmed(capital(text.camera.attendance[mark.status]), timeOfDay(mark.at))}</p>
        </div>
      ) : typing ? (
        <PinPad station={station} onClose={() => setTyping(false)} />
      ) : (
        <>
          <span class={`aim ${live ? prompt.tone : "idle"}`} aria-hidden="true" />
          <div class={`prompt ${live ? prompt.tone : "stranger"}`} role="status">
            <p class="title">{live ? prompt.title : words.notLive}</p>
            {live && prompt.detail && <p class="detail">{prompt.detail}</p>}
            <button type="button" class="other-way" onClick={() => setTyping(true)}>
              {words.pin.open}
            </button>
          </div>
        </>
      )}
    </div>
  );
}
