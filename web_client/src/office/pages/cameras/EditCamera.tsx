/** Changing a camera: its name and address, where it hangs, a test of it, and removing it. */
import { useState } from "preact/hooks";
import { words } from "words/cameras";
import { count } from "../../../text/format";
import type { RequestFailed } from "../../../api";
import { may } from "../../account";
import { ask } from "../../parts/ask";
import { Button } from "../../parts/Button";
import { Dialog } from "../../parts/Dialog";
import { CheckField, SelectField, TextField } from "../../parts/Field";
import { Form } from "../../parts/Form";
import { Failure, Loaded } from "../../parts/states";
import { toast, toastFailure } from "../../parts/toasts";
import { failureOf, useResource } from "../../resource";
import { rest, type Shapes } from "../../rest";
import { transports } from "./AddCamera";
import type { Camera } from "./rates";
import { Trial, TRIAL_TIMEOUT_MS, type Tried } from "./Trial";

type Place = Shapes["CameraPlaceBody"];
type Direction = keyof typeof words.directions;

interface Props {
  camera: Camera;
  rooms: readonly Shapes["Room"][];
  onClose: () => void;
}

export function EditCamera({ camera, rooms, onClose }: Props) {
  const name = camera.name || camera.id;
  const place = useResource(() => rest.get("/api/v1/cameras/{camera_id}/place", { path: { camera_id: camera.id } }), [camera.id]);
  const remove = async () => {
    if (!(await ask({ title: words.removeTitle(name), text: words.removeText, yes: words.removeYes, danger: true }))) return;
    try {
      await rest.delete("/api/v1/cameras/{camera_id}", { path: { camera_id: camera.id } });
      toast(words.removed);
      onClose();
    } catch (error) {
      toastFailure(error);
    }
  };
  return (
    <Dialog title={name} wide onClose={onClose}>
      <Source camera={camera} onSaved={onClose} />
      <h3 class="small-head">{words.place}</h3>
      <Loaded of={place} lines={3}>
        {(now) => <PlaceForm id={camera.id} place={now} rooms={rooms} onSaved={onClose} />}
      </Loaded>
      {camera.frames && <Counts camera={camera} />}
      <div class="form-actions">
        <Button icon="remove" onClick={() => void remove()}>
          {words.remove}
        </Button>
      </div>
    </Dialog>
  );
}

function Source({ camera, onSaved }: { camera: Camera; onSaved: () => void }) {
  const pulled = camera.address !== null && camera.address !== undefined;
  const [name, setName] = useState(camera.name);
  const [address, setAddress] = useState("");
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const [transport, setTransport] = useState(camera.transport);
  const [enabled, setEnabled] = useState(camera.enabled);
  const [tried, setTried] = useState<Tried | null>(null);
  const [failure, setFailure] = useState<RequestFailed | null>(null);
  const [testing, setTesting] = useState(false);
  const test = async () => {
    setTesting(true);
    setTried(null);
    setFailure(null);
    try {
      setTried(
        address.trim() === ""
          ? await rest.post("/api/v1/cameras/{camera_id}/test", { path: { camera_id: camera.id }, timeoutMs: TRIAL_TIMEOUT_MS })
          : await rest.post("/api/v1/cameras/test", { body: { address, username, password, transport }, timeoutMs: TRIAL_TIMEOUT_MS }),
      );
    } catch (error) {
      setFailure(failureOf(error));
    }
    setTesting(false);
  };
  const save = async () => {
    const changed = {
      name,
      ...(pulled ? { transport, enabled } : {}),
      ...(address.trim() === "" ? {} : { address }),
      ...(username === "" ? {} : { username }),
      ...(password === "" ? {} : { password }),
    };
    // What is left out stays: the types would have every member.
    await rest.put("/api/v1/cameras/{camera_id}", { path: { camera_id: camera.id }, body: changed as never });
    toast(words.saved);
    onSaved();
  };
  return (
    <Form
      submit={words.save}
      onSubmit={save}
      beside={
        pulled && (
          <Button icon="camera" busy={testing} onClick={() => void test()}>
            {words.test}
          </Button>
        )
      }
    >
      <TextField label={words.name} value={name} onValue={setName} maxLength={200} autocomplete="off" />
      {pulled && (
        <>
          <TextField label={words.address} value={address} onValue={setAddress} placeholder={camera.address ?? ""} help={words.addressKept} maxLength={2000} inputMode="url" autocapitalize="none" spellcheck={false} autocomplete="off" />
          <div class="fields">
            <TextField label={words.username} value={username} onValue={setUsername} maxLength={200} autocapitalize="none" autocomplete="off" />
            <TextField label={words.password} type="password" value={password} onValue={setPassword} maxLength={200} autocomplete="new-password" help={camera.has_credentials ? words.credentialsKept : undefined} />
          </div>
          <SelectField label={words.transport} value={transport} options={transports()} onValue={setTransport} />
          <CheckField label={words.enabled} checked={enabled} onValue={setEnabled} />
          <div role="status">
            {testing && <p>{words.testing}</p>}
            {!testing && failure && <Failure failure={failure} />}
            {!testing && tried && <Trial tried={tried} />}
          </div>
        </>
      )}
    </Form>
  );
}

function PlaceForm({ id, place, rooms, onSaved }: { id: string; place: Place; rooms: readonly Shapes["Room"][]; onSaved: () => void }) {
  const [room, setRoom] = useState(place.room_id ?? "");
  const [direction, setDirection] = useState<Direction>(place.direction ?? "none");
  const [readsQr, setReadsQr] = useState(place.reads_qr);
  const [roomName, setRoomName] = useState<string | null>(null);
  const [made, setMade] = useState<readonly Shapes["Room"][]>([]);
  const [adding, setAdding] = useState(false);
  const makeRoom = async (name: string) => {
    const added = await rest.post("/api/v1/rooms", { body: { name } });
    setMade([...made, added]);
    setRoom(added.id);
    setRoomName(null);
    return added.id;
  };
  const save = async () => {
    // A room whose name was typed is meant, whether or not its own button was pressed.
    const roomId = roomName?.trim() ? await makeRoom(roomName) : room;
    await rest.put("/api/v1/cameras/{camera_id}/place", {
      path: { camera_id: id },
      body: { room_id: roomId === "" ? null : roomId, direction: direction === "none" ? null : direction, reads_qr: readsQr },
    });
    toast(words.saved);
    onSaved();
  };
  const addRoom = async () => {
    setAdding(true);
    try {
      await makeRoom(roomName ?? "");
    } catch (error) {
      toastFailure(error);
    } finally {
      setAdding(false);
    }
  };
  const all = [...rooms, ...made.filter((one) => !rooms.some((other) => other.id === one.id))];
  return (
    <Form submit={words.save} onSubmit={save} disabled={adding}>
      <SelectField
        label={words.room}
        value={room}
        options={[{ value: "", label: words.noRoom }, ...all.map(({ id: value, name: label }) => ({ value, label }))]}
        onValue={setRoom}
        help={words.roomHelp}
      />
      {may("roster") &&
        (roomName === null ? (
          <div class="row-actions">
            <Button small icon="add" onClick={() => setRoomName("")}>
              {words.newRoom}
            </Button>
          </div>
        ) : (
          <>
            <TextField label={words.roomName} value={roomName} onValue={setRoomName} maxLength={200} autocomplete="off" />
            <div class="row-actions">
              <Button small busy={adding} disabled={roomName.trim() === ""} onClick={() => void addRoom()}>
                {words.addRoom}
              </Button>
            </div>
          </>
        ))}
      <SelectField
        label={words.direction}
        value={direction}
        options={(Object.keys(words.directions) as Direction[]).map((value) => ({ value, label: words.directions[value] }))}
        onValue={setDirection}
      />
      <CheckField label={words.readsQr} checked={readsQr} onValue={setReadsQr} />
    </Form>
  );
}

function Counts({ camera }: { camera: Camera }) {
  return (
    <details>
      <summary>{words.details}</summary>
      {camera.pull && <p class="soft">{words.pull(camera.pull.connects, camera.pull.via ?? "", camera.pull.codec ?? "")}</p>}
      <dl class="facts">
        {Object.entries(camera.frames ?? {}).map(([kind, number]) => (
          <div key={kind}>
            <dt>{words.frames(kind)}</dt>
            <dd>{count(number)}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}
