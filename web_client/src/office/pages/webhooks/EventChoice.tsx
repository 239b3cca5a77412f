/** Choosing which events a webhook is told of: everything, or only these. */
import { useId } from "preact/hooks";
import { words } from "words/webhooks";
import "../../../ui/segments.css";
import { CheckField } from "../../parts/Field";
import { choices, type EventKind } from "./events";

interface Props {
  kinds: readonly EventKind[];
  /** Null: everything. */
  chosen: readonly string[] | null;
  /** Filters that were set before: they can be chosen again. */
  before: readonly string[];
  problem: string | undefined;
  onChange: (chosen: readonly string[] | null) => void;
}

export function EventChoice({ kinds, chosen, before, problem, onChange }: Props) {
  const id = useId();
  return (
    <fieldset class="group" aria-describedby={problem ? id : undefined}>
      <legend>{words.events}</legend>
      <div class="segments">
        {[true, false].map((all) => (
          <label key={String(all)}>
            <input
              type="radio"
              name={id}
              checked={(chosen === null) === all}
              aria-invalid={problem && !all ? "true" : undefined}
              onChange={() => onChange(all ? null : before)}
            />
            <span>{all ? words.all : words.some}</span>
          </label>
        ))}
      </div>
      {problem && (
        <p class="problem" id={id}>
          {problem}
        </p>
      )}
      {chosen !== null && (
        <div class="fields">
          {choices(kinds, before).map(({ type, about }) => (
            <CheckField
              key={type}
              label={type}
              help={about}
              checked={chosen.includes(type)}
              onValue={(checked) => onChange(checked ? [...chosen, type] : chosen.filter((one) => one !== type))}
            />
          ))}
        </div>
      )}
    </fieldset>
  );
}
