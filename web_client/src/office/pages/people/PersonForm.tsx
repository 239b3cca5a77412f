/** Adding a person, and changing name or number. */
import { useState } from "preact/hooks";
import { words } from "words/people";
import { CheckField, TextField } from "../../parts/Field";
import { Dialog } from "../../parts/Dialog";
import { Form } from "../../parts/Form";
import { toast } from "../../parts/toasts";
import { rest, type Shapes } from "../../rest";
import { go } from "../../router";

interface Props {
  /** Who is changed; nobody: a person is added, and shown then. */
  person?: Shapes["Person"];
  onClose: () => void;
}

export function PersonForm({ person, onClose }: Props) {
  const [name, setName] = useState(person?.name ?? "");
  const [number, setNumber] = useState(person?.external_id ?? "");
  const [agreed, setAgreed] = useState(false);
  const external_id = number.trim() === "" ? null : number.trim();
  const submit = async () => {
    if (person) {
      await rest.patch("/api/v1/people/{person_id}", { path: { person_id: person.id }, body: { name, external_id } });
      toast(words.form.saved);
      onClose();
      return;
    }
    const added = await rest.post("/api/v1/people", { body: { name, external_id, consent: agreed } });
    toast(words.form.added(added.name));
    onClose();
    go(`/people/${added.id}`);
  };
  return (
    <Dialog title={person ? words.form.change : words.form.title} onClose={onClose}>
      <Form submit={person ? words.form.save : words.form.submit} onSubmit={submit}>
        <TextField label={words.form.name} value={name} onValue={setName} required maxLength={200} autocomplete="off" />
        <TextField label={words.form.number} value={number} onValue={setNumber} optional maxLength={200} autocomplete="off" help={words.form.numberHelp} />
        {!person && <CheckField label={words.form.agreed} help={words.form.agreedHelp} checked={agreed} onValue={setAgreed} />}
      </Form>
    </Dialog>
  );
}
