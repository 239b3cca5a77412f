/** Pairing a phone: what it is called, then the code to scan, then that it has come. */
import { useEffect, useRef, useState } from "preact/hooks";
import { words } from "words/pairing";
import { timeOfDay } from "../../text/format";
import "../../ui/pairing.css";
import { may } from "../account";
import { Button } from "../parts/Button";
import { TextField } from "../parts/Field";
import { Form } from "../parts/Form";
import { QrCode } from "../parts/QrCode";
import { Note } from "../parts/states";
import { useInterval } from "../resource";
import { everything, rest, RequestFailed, type Shapes } from "../rest";
import { cameraId, isCameraId, pairingLink, problemOf } from "./address";

const LOOK_EVERY_MS = 2000;

interface Props {
  /** Called when a phone has come. */
  onPaired?: (name: string) => void;
}

interface Made {
  code: Shapes["PairingCode"];
  name: string;
  before: ReadonlySet<string>;
}

function devices(): Promise<Shapes["DeviceBody"][]> {
  return everything(
    (cursor) => rest.get("/api/v1/devices", { query: { limit: 200, ...(cursor ? { cursor } : {}) } }),
    (page) => page.devices,
  );
}

/** Where phones find the server: its tunnel when there is one, else where this page came from. */
async function publicAddress(): Promise<string> {
  try {
    const { tunnel } = await rest.get("/readyz");
    return (tunnel && (await rest.get("/api/v1/tunnel")).address) || window.location.origin;
  } catch (error) {
    if (error instanceof RequestFailed) return window.location.origin;
    throw error;
  }
}

export function PairPhone({ onPaired }: Props) {
  const [name, setName] = useState("");
  const [id, setId] = useState<string | null>(null);
  const [made, setMade] = useState<Made | null>(null);
  const [address, setAddress] = useState(window.location.origin);
  const shownId = id ?? cameraId(name);
  useEffect(() => {
    void publicAddress().then(setAddress);
  }, []);

  const make = async () => {
    const before = new Set((await devices()).map((device) => device.id));
    const called = name.trim();
    const code = await rest.post("/api/v1/pairings", {
      body: { camera_id: shownId, name: called, create_camera: may("cameras") },
    });
    setMade({ code, name: called, before });
  };

  if (made) {
    return (
      <Code
        made={made}
        address={address}
        onAddress={setAddress}
        onAgain={() => setMade(null)}
        {...(onPaired ? { onPaired } : {})}
      />
    );
  }
  return (
    <Form submit={words.make} onSubmit={make} disabled={name.trim() === "" || !isCameraId(shownId)}>
      <p>{words.lead}</p>
      <TextField label={words.name} value={name} onValue={setName} placeholder={words.namePlaceholder} maxLength={100} required />
      <TextField
        label={words.id}
        value={shownId}
        onValue={setId}
        help={words.idHelp}
        problem={shownId !== "" && !isCameraId(shownId) ? words.idWrong : undefined}
        maxLength={64}
        autocapitalize="none"
        spellcheck={false}
      />
    </Form>
  );
}

interface CodeProps {
  made: Made;
  address: string;
  onAddress: (address: string) => void;
  onAgain: () => void;
  onPaired?: (name: string) => void;
}

function Code({ made, address, onAddress, onAgain, onPaired }: CodeProps) {
  const { code, name, before } = made;
  const [came, setCame] = useState(false);
  const [expired, setExpired] = useState(false);
  const looking = useRef(false);
  const problem = problemOf(address);
  useInterval(() => {
    if (came || looking.current) return;
    looking.current = true;
    setExpired(Date.now() > Date.parse(code.expires_at));
    devices()
      .then((found) => {
        if (!found.some((device) => device.camera_id === code.camera_id && !before.has(device.id))) return;
        setCame(true);
        onPaired?.(name);
      })
      .catch(() => undefined) // It is asked again in a moment.
      .finally(() => (looking.current = false));
  }, LOOK_EVERY_MS);

  if (came) return <Note tone="good" title={words.paired(name)} />;
  if (expired) {
    return (
      <Note tone="warn" title={words.expired}>
        <Button small onClick={onAgain}>
          {words.again}
        </Button>
      </Note>
    );
  }
  return (
    <div class="pair">
      {problem !== "not-address" && <QrCode text={pairingLink(address, code.code)} label={words.qr} />}
      <div class="pair-text">
        <p>{words.scan}</p>
        <p class="soft">{words.or}</p>
        <p class="pair-code">{code.code}</p>
        <p class="soft">{words.holds(timeOfDay(code.expires_at))}</p>
        <p class="pair-waiting" role="status">
          <span class="spinner" aria-hidden="true" /> {words.waiting}
        </p>
      </div>
      <div class="pair-address">
        <TextField
          label={words.address}
          type="url"
          value={address}
          onValue={onAddress}
          problem={problem === "not-address" ? words.notAddress : undefined}
        />
        {(problem === "loopback" || problem === "plain") && (
          <Note tone="warn">
            <p>{problem === "loopback" ? words.loopback : words.plain}</p>
          </Note>
        )}
      </div>
    </div>
  );
}
