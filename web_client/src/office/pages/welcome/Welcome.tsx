/** The first run: the owner, the site, the first camera. */
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
import { Secret } from "../../parts/Secret";
import { Loaded, Note } from "../../parts/states";
import { useResource } from "../../resource";
import { rest } from "../../rest";
import { go } from "../../router";

type Step = 0 | 1 | 2;
const STEPS = 3;

export default function Welcome({ params }: PageProps) {
  // Whoever is signed in already goes on behind the first step.
  const [step, setStep] = useState<Step>(me.value === null ? 0 : 1);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = shell.titled(words.title);
  }, []);
  useEffect(() => heading.current?.focus(), [step]);
  const title = [words.owner.heading, words.site.heading, words.camera.heading][step];
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
        {step === 1 && <Site onDone={() => setStep(2)} />}
        {step === 2 && <Camera />}
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

function Site({ onDone }: { onDone: () => void }) {
  const ready = useResource(() => rest.get("/readyz"));
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return (
    <>
      <p class="lead">{words.site.lead}</p>
      <Loaded of={ready} lines={2}>
        {({ site, time_zone }) => (
          <>
            <dl class="facts">
              <div>
                <dt>{words.site.name}</dt>
                <dd>{site}</dd>
              </div>
              <div>
                <dt>{words.site.zone}</dt>
                <dd>{time_zone}</dd>
              </div>
            </dl>
            {zone !== time_zone && (
              <Note tone="warn">
                <p>{words.site.your(zone)}</p>
              </Note>
            )}
            <p>{words.site.change}</p>
            <Secret text={`ROLLCALL_SITE__NAME=${site}\nROLLCALL_SITE__TIME_ZONE=${zone}`} />
          </>
        )}
      </Loaded>
      <div class="form-actions">
        <Button look="primary" onClick={onDone}>
          {words.site.next}
        </Button>
      </div>
    </>
  );
}

function Camera() {
  const [paired, setPaired] = useState(false);
  return (
    <>
      <p class="lead">{words.camera.lead}</p>
      <PairPhone onPaired={() => setPaired(true)} />
      <p class="help">{words.camera.people}</p>
      <div class="form-actions">
        <Button look={paired ? "primary" : "quiet"} onClick={() => go("/", { replace: true })}>
          {paired ? words.camera.finish : words.camera.skip}
        </Button>
      </div>
    </>
  );
}
