/** The first run: the owner, the site, the first camera, the first people. */
import { useEffect, useRef, useState } from "preact/hooks";
import { words as shell } from "words/shell";
import { words } from "words/welcome";
import { Logo } from "../../../ui/icons";
import { me, setUp } from "../../account";
import type { PageProps } from "../../pages";
import { PairPhone } from "../../pairing/PairPhone";
import { Button } from "../../parts/Button";
import { CheckField, TextField } from "../../parts/Field";
import { Form } from "../../parts/Form";
import { ProgressBar } from "../../parts/progress";
import { Note } from "../../parts/states";
import { go } from "../../router";
import { DemoPeople } from "../../site/DemoPeople";
import { SiteForm } from "../../site/SiteForm";

type Step = 0 | 1 | 2 | 3;
const STEPS = 4;

export default function Welcome({ params }: PageProps) {
  // Whoever is signed in already goes on behind the first step.
  const [step, setStep] = useState<Step>(me.value === null ? 0 : 1);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = shell.titled(words.title);
  }, []);
  useEffect(() => heading.current?.focus(), [step]);
  const title = [words.owner.heading, words.site.heading, words.camera.heading, words.people.heading][step];
  return (
    <div class="plain welcome">
      <header class="brand">
        <Logo />
        <span>{shell.product}</span>
      </header>
      <main class="card">
        <div class="steps">
          <p class="soft">{words.step(step + 1, STEPS)}</p>
          <ProgressBar label={words.step(step + 1, STEPS)} value={step + 1} max={STEPS} />
        </div>
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {step === 0 && <Owner given={params["token"] ?? ""} onDone={() => setStep(1)} />}
        {step === 1 && (
          <>
            <p class="lead">{words.site.lead}</p>
            <SiteForm first submit={words.site.next} onSaved={() => setStep(2)} />
          </>
        )}
        {step === 2 && <Camera onDone={() => setStep(3)} />}
        {step === 3 && <People />}
      </main>
    </div>
  );
}

function Owner({ given, onDone }: { given: string; onDone: () => void }) {
  const [token, setToken] = useState(given);
  const [name, setName] = useState("");
  const [login, setLogin] = useState("");
  const [password, setPassword] = useState("");
  const [show, setShow] = useState(false);
  const own = async () => {
    await setUp(token.trim(), { name, login, password });
    onDone();
  };
  return (
    <>
      <p class="lead">{words.owner.lead}</p>
      <Form
        submit={words.owner.submit}
        onSubmit={own}
        explain={({ code }) =>
          code === "unauthenticated" || code === "forbidden" ? words.owner.wrongToken : code === "setup_done" ? words.owner.done : null
        }
      >
        {given === "" ? (
          <TextField
            label={words.owner.token}
            type="password"
            value={token}
            onValue={setToken}
            help={words.owner.tokenHelp}
            autocomplete="off"
            required
          />
        ) : (
          <Note tone="good">
            <p>{words.owner.tokenKnown}</p>
          </Note>
        )}
        <TextField label={words.owner.name} value={name} onValue={setName} autocomplete="name" maxLength={100} required />
        <TextField
          label={words.owner.login}
          value={login}
          onValue={setLogin}
          help={words.owner.loginHelp}
          autocomplete="username"
          autocapitalize="none"
          spellcheck={false}
          maxLength={100}
          required
        />
        <TextField
          label={words.owner.password}
          type={show ? "text" : "password"}
          value={password}
          onValue={setPassword}
          help={words.owner.passwordHelp}
          autocomplete="new-password"
          required
        />
        <CheckField label={words.owner.show} checked={show} onValue={setShow} />
      </Form>
    </>
  );
}

function Camera({ onDone }: { onDone: () => void }) {
  const [paired, setPaired] = useState(false);
  return (
    <>
      <p class="lead">{words.camera.lead}</p>
      <PairPhone straight onPaired={() => setPaired(true)} />
      <div class="form-actions">
        <Button look={paired ? "primary" : "quiet"} onClick={onDone}>
          {paired ? words.camera.next : words.camera.skip}
        </Button>
      </div>
    </>
  );
}

function People() {
  return (
    <>
      <p class="lead">{words.people.lead}</p>
      <DemoPeople />
      <div class="form-actions">
        <Button onClick={() => go("/people", { replace: true })}>{words.people.add}</Button>
        <Button look="primary" onClick={() => go("/", { replace: true })}>
          {words.people.finish}
        </Button>
      </div>
    </>
  );
}
