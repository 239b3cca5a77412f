/** Finding one person by typing part of a name, and doing something with them. */
import { useState } from "preact/hooks";
import { words } from "words/people";
import { Button } from "../../parts/Button";
import { TextField } from "../../parts/Field";
import { useResource } from "../../resource";
import type { Shapes } from "../../rest";
import { suggestions, TYPING_MS, useSettled } from "./search";

interface Props {
  label: string;
  /** What the button beside each name says. */
  action: string;
  onChoose: (person: Shapes["Person"]) => Promise<void> | void;
  /** Whom it makes no sense to choose. */
  disabled?: (person: Shapes["Person"]) => string | null;
}

export function PersonSearch({ label, action, onChoose, disabled }: Props) {
  const [typed, setTyped] = useState("");
  const [busy, setBusy] = useState("");
  const text = useSettled(typed.trim(), TYPING_MS);
  const found = useResource(() => suggestions(text), [text]);
  const people = text === "" ? [] : (found.data ?? []);
  return (
    <div class="stack-small">
      <TextField label={label} type="search" value={typed} onValue={setTyped} autocomplete="off" maxLength={200} />
      <p class="help" role="status">
        {text !== "" && found.data !== null && !found.loading && people.length === 0 ? words.nobody : ""}
      </p>
      {people.length > 0 && (
        <ul class="items">
          {people.map((person) => {
            const not = disabled?.(person) ?? null;
            return (
              <li key={person.id}>
                <span class="item-text">
                  <span>{person.name}</span>
                  <span class="soft">{not ?? person.external_id}</span>
                </span>
                <Button
                  small
                  disabled={not !== null}
                  busy={busy === person.id}
                  aria-label={`${action}: ${person.name}`}
                  onClick={() => {
                    setBusy(person.id);
                    void Promise.resolve(onChoose(person)).finally(() => setBusy(""));
                  }}
                >
                  {action}
                </Button>
              </li>
            );
          })}
        </ul>
      )}
    </div>
  );
}
