/** The texts that people are asked: the newest, and publishing another. */
import { useState } from "preact/hooks";
import { words } from "words/people";
import { day } from "../../../text/format";
import { Dialog } from "../../parts/Dialog";
import { Field } from "../../parts/Field";
import { Form } from "../../parts/Form";
import { Loaded, Note } from "../../parts/states";
import { toast } from "../../parts/toasts";
import { useResource } from "../../resource";
import { rest } from "../../rest";

const TEXT_MAX = 20_000;

export function ConsentTexts({ onClose }: { onClose: () => void }) {
  const texts = useResource(async () => (await rest.get("/api/v1/consent-texts")).consent_texts);
  const [written, setWritten] = useState<string | null>(null);
  const newest = texts.data?.[0];
  const shown = written ?? newest?.text ?? "";
  const publish = async () => {
    const made = await rest.post("/api/v1/consent-texts", { body: { text: shown } });
    toast(words.texts.published(made.version));
    onClose();
  };
  return (
    <Dialog title={words.texts.title} wide onClose={onClose}>
      <p class="soft">{words.texts.lead}</p>
      <Loaded of={texts}>
        {() => (newest ? <p class="note-title">{words.texts.now(newest.version, day(newest.published_at))}</p> : <Note>{words.texts.none}</Note>)}
      </Loaded>
      <Form submit={words.texts.submit} onSubmit={publish} disabled={shown.trim() === "" || shown === newest?.text}>
        <Field label={words.texts.text}>
          {(tied) => (
            <textarea {...tied} class="consent-text" rows={10} maxLength={TEXT_MAX} required value={shown} onInput={(event) => setWritten(event.currentTarget.value)} />
          )}
        </Field>
      </Form>
    </Dialog>
  );
}
