/** Signing in with name and password. */
import { useEffect, useRef, useState } from "preact/hooks";
import { words as shell } from "words/shell";
import { words } from "words/signIn";
import { Logo } from "../../ui/icons";
import { ended, signIn } from "../account";
import { CheckField, TextField } from "../parts/Field";
import { Form } from "../parts/Form";
import { Note } from "../parts/states";
import { Toasts } from "../parts/toasts";

export function SignIn() {
  const [login, setLogin] = useState("");
  const [password, setPassword] = useState("");
  const [show, setShow] = useState(false);
  const card = useRef<HTMLElement>(null);
  useEffect(() => {
    document.title = shell.titled(words.title);
    card.current?.querySelector("input")?.focus();
  }, []);
  return (
    <div class="plain">
      <header class="brand">
        <Logo />
        <span>{shell.product}</span>
      </header>
      <main ref={card} class="card">
        <h1>{words.title}</h1>
        {ended.value ? <Note tone="warn">{words.ended}</Note> : <p class="lead">{words.lead}</p>}
        <Form
          submit={words.submit}
          onSubmit={() => signIn(login, password)}
          explain={({ code }) =>
            code === "sign_in_refused" ? words.refused : code === "too_many_attempts" ? words.tooOften : null
          }
        >
          <TextField label={words.login} value={login} onValue={setLogin} autocomplete="username" autocapitalize="none" required />
          <TextField
            label={words.password}
            type={show ? "text" : "password"}
            value={password}
            onValue={setPassword}
            autocomplete="current-password"
            required
          />
          <CheckField label={words.show} checked={show} onValue={setShow} />
        </Form>
        <p class="help">{words.help}</p>
        <p class="help">
          <a href="/camera">{words.camera}</a>
        </p>
      </main>
      <Toasts />
    </div>
  );
}
