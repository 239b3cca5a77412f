/** The fields of a lesson that is held every so many weeks. */
import { useId, useState } from "preact/hooks";
import { words } from "words/lessons";
import "../../../ui/segments.css";
import { Button, IconButton } from "../../parts/Button";
import { TextField } from "../../parts/Field";
import { longDay, shortDay } from "./calendar";
import { WEEKDAYS, type Filled, type Problems } from "./lesson";

interface Props {
  filled: Filled;
  problems: Problems;
  onChange: (change: Partial<Filled>) => void;
}

export function Repeating({ filled, problems, onChange }: Props) {
  const [skipped, setSkipped] = useState("");
  const id = useId();
  const { days, except } = filled;
  return (
    <>
      <fieldset class="group" aria-describedby={problems.days ? id : undefined}>
        <legend>{words.weekdays}</legend>
        <div class="segments weekdays">
          {WEEKDAYS.map((one) => (
            <label key={one}>
              <input
                type="checkbox"
                checked={days.includes(one)}
                aria-invalid={problems.days ? "true" : undefined}
                onChange={() => onChange({ days: days.includes(one) ? days.filter((other) => other !== one) : [...days, one] })}
              />
              <span>{words.weekdayNames[one]}</span>
            </label>
          ))}
        </div>
        {problems.days && (
          <p class="problem" id={id}>
            {problems.days}
          </p>
        )}
      </fieldset>
      <div class="fields">
        <TextField label={words.every} inputMode="numeric" value={filled.every} onValue={(every) => onChange({ every })} problem={problems.every} required />
        <TextField label={words.until} type="date" value={filled.until} onValue={(until) => onChange({ until })} problem={problems.until} help={words.untilHelp} optional />
      </div>
      <fieldset class="group">
        <legend>{words.except}</legend>
        {except.length > 0 && (
          <ul class="chips">
            {[...except].sort().map((day) => (
              <li key={day}>
                {shortDay(day)}
                <IconButton name="cancel" label={words.exceptRemove(longDay(day))} onClick={() => onChange({ except: except.filter((one) => one !== day) })} />
              </li>
            ))}
          </ul>
        )}
        <div class="filters">
          <TextField label={words.exceptDay} type="date" value={skipped} onValue={setSkipped} />
          <Button
            disabled={skipped === "" || except.includes(skipped)}
            onClick={() => {
              onChange({ except: [...except, skipped] });
              setSkipped("");
            }}
          >
            {words.exceptAdd}
          </Button>
        </div>
      </fieldset>
    </>
  );
}
