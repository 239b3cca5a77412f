/** Who was marked, the newest first; each is also said to those who listen. */
import { text, timeOfDay } from "../text";
import { Icon } from "../ui/icons";
import type { Station } from "./station";

export function MarkedList({ station }: { station: Station }) {
  const words = text.camera.marked;
  const marks = station.marks.value;
  return (
    <section class="panel marked" aria-labelledby="marked">
      <h2 id="marked">
        {words.heading} {marks.length > 0 && <span class="tag">{words.count(marks.length)}</span>}
      </h2>
      {marks.length === 0 ? (
        <p class="help">{words.none}</p>
      ) : (
        <ol>
          {marks.map((mark) => (
            <li key={mark.key} class={mark.status}>
              <span class="tick">
                <Icon name="check" />
              </span>
              <span class="name">{mark.name}</span>
              <span class="when">
                {text.camera.attendance[mark.status]} {timeOfDay(mark.at)}
              </span>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

/** Only the newest is said: a list that grows would be read again and again. */
export function MarkedAloud({ station }: { station: Station }) {
  const mark = station.marks.value[0];
  const { announced } = text.camera.marked;
  return (
    <p class="unseen" aria-live="polite">
      {mark && announced(mark.name, text.camera.attendance[mark.status], timeOfDay(mark.at))}
    </p>
  );
}
