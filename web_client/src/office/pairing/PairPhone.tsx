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
import { RequestFailed } from "../../api";
import { Failure, Note, Skeleton } from "../parts/states";
import { failureOf, useInterval } from "../resource";
import { everything, rest, type Shapes } from "../rest";
import { cameraId, firstFree, isCameraId, numberedId, pairingLink, problemOf } from "./address";

const LOOK_EVERY_MS = 2000;

interface Props {
  /** Show a code at once, for a camera that is called by a number; its name can be given beside it. */
  straight?: boolean;
  /** Called when a phone has come. */
  onPaired?: (name: string) => void;
}

interface Made {
  code: Shapes["PairingCode"];
  name: string;
  before: ReadonlySet<string>;
  /** The camera was not there before. */
  isNew: boolean;
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

/** What pairing has begun and nobody has used is taken back: the code, and a camera that was made for it. */
async function takeBack({ code, isNew }: Made): Promise<void> {
  await rest.delete("/api/v1/pairings/{pairing_id}", { path: { pairing_id: code.id } });
  // A code that was used meanwhile cannot be withdrawn, and the camera stays.
  if (isNew) await rest.delete("/api/v1/cameras/{camera_id}", { path: { camera_id: code.camera_id } });
}

export function PairPhone({ onPaired, straight = false }: Props) {
  const [name, setName] = useState("");
  const [id, setId] = useState<string | null>(null);
  const [made, setMade] = useState<Made | null>(null);
  const [failure, setFailure] = useState<RequestFailed | null>(null);
  const [address, setAddress] = useState(window.location.origin);
  const open = useRef<Made | null>(null);
  const shownId = id ?? cameraId(name);

  const make = async (called: string, camera: string) => {
    if (straight && open.current) await takeBack(open.current).catch(() => undefined);
    open.current = null;
    const [before, { cameras }] = await Promise.all([devices(), rest.get("/api/v1/cameras")]);
    const code = await rest.post("/api/v1/pairings", {
      body: { camera_id: camera, name: called, create_camera: may("cameras") },
    });
    const now = {
      code,
      name: called,
      before: new Set(before.map((device) => device.id)),
      isNew: !cameras.some((one) => one.id === camera),
    };
    open.current = now;
    setMade(now);
  };
  const begin = async () => {
    setFailure(null);
    try {
      const { cameras } = await rest.get("/api/v1/cameras");
      const number = firstFree(new Set(cameras.map((camera) => camera.id)));
      await make(words.numbered(number), numberedId(number));
    } catch (error) {
      setFailure(failureOf(error));
    }
  };
  useEffect(() => {
    void publicAddress().then(setAddress);
    if (!straight) return;
    void begin();
    // Nobody has asked for a name here, so nothing stays of what was not used.
    return () => {
      if (open.current) void takeBack(open.current).catch(() => undefined);
    };
  }, []);

  const code = made && (
    <Code
      key={made.code.id}
      made={made}
      address={address}
      onAddress={setAddress}
      onAgain={() => {
        if (straight) void make(made.name, made.code.camera_id).catch((error: unknown) => setFailure(failureOf(error)));
        else setMade(null);
      }}
      onPaired={(called) => {
        open.current = null;
        onPaired?.(called);
      }}
    />
  );
  const form = (
    <Form submit={words.make} onSubmit={() => make(name.trim(), shownId)} disabled={name.trim() === "" || !isCameraId(shownId)}>
      {!straight && <p>{words.lead}</p>}
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
  if (!straight) return code ?? form;
  return (
    <div class="form">
      {failure && <Failure failure={failure} onAgain={() => void begin()} />}
      {code ?? (!failure && <Skeleton />)}
      {made && open.current && (
        <details>
          <summary>{words.called(made.name)}</summary>
          {form}
        </details>
      )}
    </div>
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
