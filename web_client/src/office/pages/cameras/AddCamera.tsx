/** Adding a camera: by address, tested before it is kept, or as a phone or program that sends. */
import { useState } from "preact/hooks";
import { words } from "words/cameras";
import { words as parts } from "words/parts";
import type { RequestFailed } from "../../../api";
import { may } from "../../account";
import { Button } from "../../parts/Button";
import { cameraId } from "../../pairing/address";
import { PairPhone } from "../../pairing/PairPhone";
import { Dialog } from "../../parts/Dialog";
import { SelectField, TextField } from "../../parts/Field";
import { Form } from "../../parts/Form";
import { Failure, Note } from "../../parts/states";
import { toast } from "../../parts/toasts";
import { failureOf } from "../../resource";
import { rest } from "../../rest";
import { Trial, TRIAL_TIMEOUT_MS, type Tried } from "./Trial";

type Kind = keyof typeof words.kinds;
type Transport = keyof typeof words.transports;

interface Props {
  address: string;
  onClose: () => void;
}

export function AddCamera({ address: first, onClose }: Props) {
  const [kind, setKind] = useState<Kind>("network");
  const [name, setName] = useState("");
  const [typedId, setTypedId] = useState<string | null>(null);
  const [address, setAddress] = useState(first);
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const [transport, setTransport] = useState<Transport>("auto");
  const [tried, setTried] = useState<Tried | null>(null);
  const [failure, setFailure] = useState<RequestFailed | null>(null);
  const [testing, setTesting] = useState(false);
  const [made, setMade] = useState(false);
  const id = typedId ?? cameraId(name);
  const source = { address, username, password, transport };

  const test = async () => {
    setTesting(true);
    setTried(null);
    setFailure(null);
    try {
      setTried(await rest.post("/api/v1/cameras/test", { body: source, timeoutMs: TRIAL_TIMEOUT_MS }));
    } catch (error) {
      setFailure(failureOf(error));
    }
    setTesting(false);
  };
  const save = async () => {
    await rest.put("/api/v1/cameras/{camera_id}", {
      path: { camera_id: id },
      headers: { "If-None-Match": "*" },
      body: { name, ...(kind === "network" ? { ...source, enabled: true } : {}) } as never,
    });
    toast(words.added(name || id));
    if (kind === "network") onClose();
    else setMade(true);
  };
  if (made) {
    return (
      <Dialog title={words.added(name || id)} onClose={onClose}>
        <Note>{words.whipNext(`${window.location.origin}/whip/${id}`)}</Note>
        <div class="form-actions">
          <Button look="primary" onClick={onClose}>
            {parts.done}
          </Button>
        </div>
      </Dialog>
    );
  }
  const kinds = (Object.keys(words.kinds) as Kind[]).filter((one) => one !== "phone" || may("admin"));
  const choice = (
    <fieldset class="group">
      <legend>{words.kind}</legend>
      {kinds.map((one) => (
        <label key={one} class="kind">
          <input type="radio" name="kind" value={one} checked={kind === one} onChange={() => setKind(one)} />
          <span>
            {words.kinds[one]}
            <span class="help">{words.kindHelp[one]}</span>
          </span>
        </label>
      ))}
    </fieldset>
  );
  return (
    <Dialog title={words.add} wide onClose={onClose}>
      <div class="form">
        {choice}
        {kind === "phone" ? (
          <>
            <PairPhone straight onPaired={(called) => toast(words.added(called))} />
            <div class="form-actions">
              <Button onClick={onClose}>{parts.close}</Button>
            </div>
          </>
        ) : (
          <Form
            submit={words.save}
            onSubmit={save}
            disabled={id === ""}
            explain={({ code }) => (code === "camera_exists" ? words.taken : null)}
            beside={
              kind === "network" && (
                <Button icon="camera" busy={testing} disabled={address.trim() === ""} onClick={() => void test()}>
                  {words.test}
                </Button>
              )
            }
          >
            <div class="fields">
              <TextField label={words.name} value={name} onValue={setName} required maxLength={200} autocomplete="off" />
              <TextField label={words.id} value={id} onValue={setTypedId} required maxLength={64} help={words.idHelp} autocapitalize="none" spellcheck={false} autocomplete="off" />
            </div>
            {kind === "network" && (
              <>
                <TextField label={words.address} value={address} onValue={setAddress} required maxLength={2000} help={words.addressHelp} inputMode="url" autocapitalize="none" spellcheck={false} autocomplete="off" />
                <div class="fields">
                  <TextField label={words.username} value={username} onValue={setUsername} optional maxLength={200} autocapitalize="none" autocomplete="off" />
                  <TextField label={words.password} type="password" value={password} onValue={setPassword} optional maxLength={200} autocomplete="new-password" />
                </div>
                <SelectField label={words.transport} value={transport} options={transports()} onValue={setTransport} />
                <div role="status">
                  {testing && <p>{words.testing}</p>}
                  {!testing && failure && <Failure failure={failure} />}
                  {!testing && tried && <Trial tried={tried} />}
                  {!testing && !failure && !tried && <p class="help">{words.tryFirst}</p>}
                </div>
              </>
            )}
          </Form>
        )}
      </div>
    </Dialog>
  );
}

export function transports(): { value: Transport; label: string }[] {
  return (Object.keys(words.transports) as Transport[]).map((value) => ({ value, label: words.transports[value] }));
}
