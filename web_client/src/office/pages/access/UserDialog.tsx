/** Adding a user, and changing one. */
import { useState } from "preact/hooks";
import { words as page } from "words/access";
import { words as parts } from "words/parts";
import { me } from "../../account";
import { ask } from "../../parts/ask";
import { Button } from "../../parts/Button";
import { Dialog } from "../../parts/Dialog";
import { SelectField, TextField } from "../../parts/Field";
import { Form } from "../../parts/Form";
import { toast, toastFailure } from "../../parts/toasts";
import { rest, type Shapes } from "../../rest";

type User = Shapes["UserBody"];
type Role = User["role"];
const words = page.users;

interface Props {
  /** Null: a new one. */
  user: User | null;
  onClose: () => void;
  onDone: () => void;
}

function roles(): { value: Role; label: string }[] {
  const those: Role[] = me.value?.role === "owner" ? ["viewer", "teacher", "admin", "owner"] : ["viewer", "teacher", "admin"];
  return those.map((value) => ({ value, label: words.roles[value] }));
}

export function UserDialog({ user, onClose, onDone }: Props) {
  return (
    <Dialog title={user ? words.editTitle(user.name) : words.add} onClose={onClose}>
      {user ? <Change user={user} onDone={onDone} /> : <Add onDone={onDone} />}
    </Dialog>
  );
}

function Add({ onDone }: { onDone: () => void }) {
  const [name, setName] = useState("");
  const [login, setLogin] = useState("");
  const [role, setRole] = useState<Role>("teacher");
  const [password, setPassword] = useState("");
  const add = async () => {
    await rest.post("/api/v1/users", { body: { name, login, role, password, groups: [] } });
    toast(words.added(name));
    onDone();
  };
  return (
    <Form submit={words.add} onSubmit={add}>
      <TextField label={words.name} value={name} onValue={setName} autocomplete="off" maxLength={100} required />
      <TextField
        label={words.login}
        value={login}
        onValue={setLogin}
        help={words.loginHelp}
        autocomplete="off"
        autocapitalize="none"
        spellcheck={false}
        maxLength={100}
        required
      />
      <SelectField label={words.role} value={role} options={roles()} onValue={setRole} />
      <TextField
        label={words.password}
        type="password"
        value={password}
        onValue={setPassword}
        help={words.passwordHelp}
        autocomplete="new-password"
        required
      />
    </Form>
  );
}

function Change({ user, onDone }: { user: User; onDone: () => void }) {
  const [name, setName] = useState(user.name);
  const [role, setRole] = useState<Role>(user.role);
  const [password, setPassword] = useState("");
  const path = { user_id: user.id };
  const myself = user.id === me.value?.id;
  const change = async () => {
    await rest.patch("/api/v1/users/{user_id}", {
      path,
      body: { ...(name !== user.name ? { name } : {}), ...(role !== user.role ? { role } : {}) },
    });
    toast(words.changed);
    onDone();
  };
  const set = async () => {
    await rest.put("/api/v1/users/{user_id}/password", { path, body: { password } });
    toast(words.passwordSet);
    onDone();
  };
  const signOut = async () => {
    if (!(await ask({ title: words.signOutSure(user.name), text: words.signOutText, yes: words.signOut }))) return;
    try {
      await rest.delete("/api/v1/users/{user_id}/sessions", { path });
      toast(words.signedOut);
    } catch (error) {
      toastFailure(error);
    }
  };
  return (
    <>
      <Form submit={parts.save} onSubmit={change} disabled={name === user.name && role === user.role}>
        <TextField label={words.name} value={name} onValue={setName} autocomplete="off" maxLength={100} required />
        <SelectField label={words.role} value={role} options={roles()} onValue={setRole} />
      </Form>
      {!myself && (
        <>
          <hr />
          <Form submit={words.newPassword} onSubmit={set} disabled={password === ""}>
            <TextField
              label={words.newPasswordTitle(user.name)}
              type="password"
              value={password}
              onValue={setPassword}
              help={words.newPasswordText}
              autocomplete="new-password"
            />
          </Form>
          <hr />
          <Button icon="leave" onClick={() => void signOut()}>
            {words.signOut}
          </Button>
        </>
      )}
    </>
  );
}
