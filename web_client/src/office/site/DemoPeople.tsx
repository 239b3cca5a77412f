/** The people of the demo: added one after the other, and erased together. */
import { useEffect, useRef, useState } from "preact/hooks";
import { words as site } from "words/site";
import { ask } from "../parts/ask";
import { Button } from "../parts/Button";
import { ProgressBar } from "../parts/progress";
import { Loaded, Note } from "../parts/states";
import { toast, toastFailure } from "../parts/toasts";
import { inOneLine } from "../problems";
import { failureOf, useResource } from "../resource";
import { rest, type Shapes } from "../rest";

const words = site.demo;
// The first face of all waits until the networks are loaded.
const ENROL_TIMEOUT_MS = 60_000;

export function DemoPeople({ onAdded }: { onAdded?: () => void }) {
  const found = useResource(() => rest.get("/api/v1/demo"));
  const [done, setDone] = useState<number | null>(null);
  const [refused, setRefused] = useState<readonly string[]>([]);
  const stopped = useRef(false);
  useEffect(() => () => void (stopped.current = true), []);

  const add = async (people: readonly Shapes["DemoPerson"][]) => {
    stopped.current = false;
    const isStopped = () => stopped.current;
    const problems: string[] = [];
    const missing = people.filter((person) => !person.enrolled);
    for (const [number, { key, name }] of missing.entries()) {
      if (isStopped()) break;
      setDone(people.length - missing.length + number);
      try {
        await rest.put("/api/v1/demo/{key}", { path: { key }, timeoutMs: ENROL_TIMEOUT_MS });
      } catch (error) {
        problems.push(words.failed(name, inOneLine(failureOf(error))));
        setRefused([...problems]);
      }
    }
    setDone(null);
    found.reload();
    if (problems.length < missing.length) onAdded?.();
  };
  const erase = async () => {
    if (!(await ask({ title: words.eraseTitle, text: words.eraseText, yes: words.eraseYes, danger: true }))) return;
    try {
      await rest.delete("/api/v1/demo");
      toast(words.erased);
    } catch (error) {
      toastFailure(error);
    }
    setRefused([]);
    found.reload();
  };

  return (
    <Loaded of={found} lines={2}>
      {({ available, reason, people }) => {
        const here = people.filter((person) => person.person_id !== null).length;
        const enrolled = people.filter((person) => person.enrolled).length;
        return (
          <div class="form">
            <p>{words.lead}</p>
            <p class="soft">{words.honest}</p>
            {!available && <Note tone="warn">{reason}</Note>}
            <div role="status">
              {done === null ? (
                <p>{here === 0 ? words.nobody : words.here(enrolled, people.length)}</p>
              ) : (
                <>
                  <p>{words.adding(done + 1, people.length)}</p>
                  <ProgressBar label={words.title} value={done} max={people.length} />
                </>
              )}
              {refused.map((text) => (
                <p key={text} class="problem">
                  {text}
                </p>
              ))}
            </div>
            <div class="form-actions">
              {done !== null ? (
                <Button onClick={() => (stopped.current = true)}>{words.stop}</Button>
              ) : (
                <>
                  {here > 0 && (
                    <Button look="danger" icon="remove" onClick={() => void erase()}>
                      {words.erase}
                    </Button>
                  )}
                  {enrolled < people.length && (
                    <Button icon="people" disabled={!available} onClick={() => void add(people)}>
                      {words.add}
                    </Button>
                  )}
                </>
              )}
            </div>
          </div>
        );
      }}
    </Loaded>
  );
}
