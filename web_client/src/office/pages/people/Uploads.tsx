/** Enrolling by pictures: several at once, each with what became of it. */
import { useRef, useState } from "preact/hooks";
import { words } from "words/people";
import { words as parts } from "words/parts";
import { inWords } from "../../problems";
import { Badge } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { Dialog } from "../../parts/Dialog";
import { ProgressBar } from "../../parts/progress";
import type { Shapes } from "../../rest";
import { enrol, likenesses, prepared, type Outcome } from "./enrolling";
import { Alike } from "./FacesPanel";

interface Props {
  person: Shapes["Person"];
  onClose: (outcomes: readonly Outcome[]) => void;
}

export function Uploads({ person, onClose }: Props) {
  const [outcomes, setOutcomes] = useState<readonly Outcome[]>([]);
  const [waiting, setWaiting] = useState(0);
  const [over, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const gone = useRef(false);
  const busy = useRef(false);
  const take = async (files: readonly File[]) => {
    if (busy.current || files.length === 0) return;
    busy.current = true;
    setOutcomes([]);
    setWaiting(files.length);
    const found: Outcome[] = [];
    for (const file of files) {
      if (gone.current) break;
      found.push(await enrol(person.id, file.name, await prepared(file)));
      setOutcomes([...found]);
    }
    busy.current = false;
    setWaiting(0);
  };
  const close = () => {
    gone.current = true;
    onClose(outcomes);
  };
  const taken = outcomes.filter(({ enrolled }) => enrolled !== null).length;
  return (
    <Dialog title={words.upload.title} onClose={close}>
      <p class="soft">{words.upload.lead}</p>
      <div
        class={`drop${over ? " drop-over" : ""}`}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          void take([...(event.dataTransfer?.files ?? [])]);
        }}
      >
        <input
          ref={input}
          class="unseen"
          type="file"
          accept="image/*"
          multiple
          tabIndex={-1}
          aria-label={words.upload.choose}
          onChange={(event) => {
            void take([...(event.currentTarget.files ?? [])]);
            event.currentTarget.value = "";
          }}
        />
        <Button look="primary" icon="upload" disabled={waiting > 0} onClick={() => input.current?.click()}>
          {words.upload.choose}
        </Button>
        <span class="soft">{words.upload.drop}</span>
      </div>
      {waiting > 0 && <ProgressBar label={words.upload.progress(outcomes.length, waiting)} value={outcomes.length} max={waiting} />}
      <p role="status" class={outcomes.length === 0 ? "unseen" : "note-title"}>
        {waiting > 0 ? words.upload.progress(outcomes.length, waiting) : outcomes.length > 0 ? words.upload.done(taken, outcomes.length - taken) : ""}
      </p>
      {outcomes.length > 0 && (
        <ul class="items" aria-label={words.upload.list}>
          {outcomes.map((outcome, index) => (
            <li key={index}>
              <Badge tone={outcome.enrolled ? "good" : "bad"}>{outcome.enrolled ? words.upload.taken : words.upload.refused}</Badge>
              <span class="item-text">
                <span>{outcome.name}</span>
                <span class="soft">{outcome.failure ? reason(outcome.failure) : words.faces.quality(Math.round(100 * (outcome.enrolled?.quality ?? 0)))}</span>
              </span>
            </li>
          ))}
        </ul>
      )}
      {likenesses(outcomes).map((like) => (
        <Alike key={like.person.id} like={like} />
      ))}
      <div class="form-actions">
        <Button onClick={close}>{parts.done}</Button>
      </div>
    </Dialog>
  );
}

function reason(failure: NonNullable<Outcome["failure"]>): string {
  const own = words.upload.why(failure.code);
  if (own !== "") return own;
  const { detail, hint } = inWords(failure);
  return [detail, hint].filter(Boolean).join(" ");
}
