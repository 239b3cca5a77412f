/** What a person has agreed to, and recording or withdrawing it. */
import { useState } from "preact/hooks";
import { words } from "words/people";
import { moment } from "../../../text/format";
import { may } from "../../account";
import { useActors } from "../../actors";
import { ask } from "../../parts/ask";
import { Badge } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { Dialog } from "../../parts/Dialog";
import { CheckField } from "../../parts/Field";
import { Form } from "../../parts/Form";
import { Section } from "../../parts/Page";
import { Loaded, Note } from "../../parts/states";
import { toast, toastFailure } from "../../parts/toasts";
import { useResource } from "../../resource";
import { rest, type Shapes } from "../../rest";
import { CONSENT_TONE } from "./tones";

interface Props {
  person: Shapes["Person"];
  onChange: () => void;
}

export function ConsentPanel({ person, onChange }: Props) {
  const [opened, setOpened] = useState<"grant" | number | null>(null);
  const history = useResource(
    async () => (await rest.get("/api/v1/people/{person_id}/consents", { path: { person_id: person.id } })).consents,
    [person.id, person.consent, person.consent_at],
  );
  const nameOf = useActors();
  const withdraw = async () => {
    const sure = await ask({
      title: words.asked.withdrawTitle(person.name),
      text: words.asked.withdrawText(person.templates),
      yes: words.asked.withdrawYes,
      danger: true,
    });
    if (!sure) return;
    try {
      await rest.patch("/api/v1/people/{person_id}", { path: { person_id: person.id }, body: { consent: false } });
      toast(words.asked.withdrawn);
      onChange();
    } catch (error) {
      toastFailure(error);
    }
  };
  const { consent, consent_text: version } = person;
  return (
    <Section title={words.asked.title}>
      <p>{words.asked[consent]}</p>
      {consent === "granted" && version !== null && version !== undefined && (
        <p>
          {words.asked.version(version)}{" "}
          <Button small onClick={() => setOpened(version)}>
            {words.asked.read}
          </Button>
        </p>
      )}
      {may("people") && (
        <div class="row-actions">
          {consent === "granted" ? (
            <Button onClick={() => void withdraw()}>{words.asked.withdraw}</Button>
          ) : (
            <Button look="primary" onClick={() => setOpened("grant")}>
              {words.asked.grant}
            </Button>
          )}
        </div>
      )}
      <h3 class="small-head">{words.asked.history}</h3>
      <Loaded of={history} lines={2}>
        {(entries) =>
          entries.length === 0 ? (
            <p class="help">{words.asked.noHistory}</p>
          ) : (
            <ol class="items">
              {[...entries].reverse().map((entry) => (
                <li key={entry.at}>
                  <Badge tone={CONSENT_TONE[entry.state]}>{words.consent[entry.state]}</Badge>
                  <span class="item-text">
                    <span>{moment(entry.at)}</span>
                    <span class="soft">
                      {[entry.consent_text ? words.asked.version(entry.consent_text) : "", words.asked.by(nameOf(entry.by))].filter(Boolean).join(", ")}
                    </span>
                  </span>
                </li>
              ))}
            </ol>
          )
        }
      </Loaded>
      {opened === "grant" && (
        <Grant
          person={person}
          onClose={(changed) => {
            setOpened(null);
            if (changed) onChange();
          }}
        />
      )}
      {typeof opened === "number" && <ShownText version={opened} onClose={() => setOpened(null)} />}
    </Section>
  );
}

function Grant({ person, onClose }: { person: Props["person"]; onClose: (changed: boolean) => void }) {
  const [agreed, setAgreed] = useState(false);
  const newest = useResource(async () => (await rest.get("/api/v1/consent-texts")).consent_texts[0] ?? null);
  const text = newest.data;
  const record = async () => {
    await rest.patch("/api/v1/people/{person_id}", {
      path: { person_id: person.id },
      body: { consent: true, ...(text ? { consent_text: text.version } : {}) },
    });
    toast(words.asked.recorded);
    onClose(true);
  };
  return (
    <Dialog title={words.asked.grantTitle} wide onClose={() => onClose(false)}>
      {newest.failure || newest.loading ? (
        <Loaded of={newest}>{() => null}</Loaded>
      ) : text ? (
        <>
          <p class="note-title">{words.asked.textTitle(text.version)}</p>
          <div class="consent-shown" tabIndex={0} role="group" aria-label={words.asked.textTitle(text.version)}>
            {text.text}
          </div>
        </>
      ) : (
        <Note tone="warn">{words.asked.noText}</Note>
      )}
      <Form submit={words.asked.submit} onSubmit={record} disabled={!agreed || newest.loading}>
        <CheckField label={words.asked.has(person.name)} checked={agreed} onValue={setAgreed} />
      </Form>
    </Dialog>
  );
}

function ShownText({ version, onClose }: { version: number; onClose: () => void }) {
  const text = useResource(() => rest.get("/api/v1/consent-texts/{version}", { path: { version } }), [version]);
  return (
    <Dialog title={words.asked.textTitle(version)} wide onClose={onClose}>
      <Loaded of={text}>
        {(shown) => (
          <div class="consent-shown" tabIndex={0} role="group" aria-label={words.asked.textTitle(version)}>
            {shown.text}
          </div>
        )}
      </Loaded>
    </Dialog>
  );
}
