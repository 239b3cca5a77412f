/** Everything that is held on a person: to take along, or to erase. */
import { useState } from "preact/hooks";
import { words } from "words/people";
import { Button, LinkButton } from "../../parts/Button";
import { Dialog } from "../../parts/Dialog";
import { TextField } from "../../parts/Field";
import { Form } from "../../parts/Form";
import { Section } from "../../parts/Page";
import { toast } from "../../parts/toasts";
import { rest, type Shapes } from "../../rest";
import { go } from "../../router";

export function DataPanel({ person }: { person: Shapes["Person"] }) {
  const [erasing, setErasing] = useState(false);
  return (
    <Section title={words.data.title}>
      <LinkButton href={`/api/v1/people/${person.id}/export`} icon="download" download={`person-${person.id}.json`}>
        {words.data.export}
      </LinkButton>
      <p class="help">{words.data.exportHelp}</p>
      <Button icon="remove" onClick={() => setErasing(true)}>
        {words.data.erase}
      </Button>
      <p class="help">{words.data.eraseHelp}</p>
      {erasing && <Erase person={person} onClose={() => setErasing(false)} />}
    </Section>
  );
}

function Erase({ person, onClose }: { person: Shapes["Person"]; onClose: () => void }) {
  const [typed, setTyped] = useState("");
  const erase = async () => {
    await rest.delete("/api/v1/people/{person_id}", { path: { person_id: person.id } });
    toast(words.data.erased(person.name));
    onClose();
    go("/people");
  };
  return (
    <Dialog title={words.data.eraseTitle(person.name)} onClose={onClose}>
      <p>{words.data.eraseHelp}</p>
      <Form submit={words.data.eraseSubmit} danger disabled={typed.trim() !== person.name} onSubmit={erase}>
        <TextField label={words.data.eraseType} value={typed} onValue={setTyped} autocomplete="off" spellcheck={false} placeholder={person.name} />
      </Form>
    </Dialog>
  );
}
