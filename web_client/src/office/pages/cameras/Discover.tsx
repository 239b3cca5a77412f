/** Looking for cameras in the network of the server. */
import { useState } from "preact/hooks";
import { words } from "words/cameras";
import { Button } from "../../parts/Button";
import { Dialog } from "../../parts/Dialog";
import { TextField } from "../../parts/Field";
import { Form } from "../../parts/Form";
import { rest, type Shapes } from "../../rest";

type Found = Shapes["FoundCameraBody"];

export function Discover({ onUse, onClose }: { onUse: (address: string) => void; onClose: () => void }) {
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const [found, setFound] = useState<readonly Found[] | null>(null);
  const look = async () => {
    const body = { timeout_s: 4, username, password };
    setFound((await rest.post("/api/v1/cameras/discover", { body, timeoutMs: 60_000 })).cameras);
  };
  return (
    <Dialog title={words.search.title} onClose={onClose}>
      <p class="soft">{words.search.lead}</p>
      <Form submit={words.search.submit} onSubmit={look}>
        <div class="fields">
          <TextField label={words.username} value={username} onValue={setUsername} optional maxLength={200} autocapitalize="none" autocomplete="off" />
          <TextField label={words.password} type="password" value={password} onValue={setPassword} optional maxLength={200} autocomplete="new-password" />
        </div>
      </Form>
      <div role="status">{found?.length === 0 && <p>{words.search.none}</p>}</div>
      {found && found.length > 0 && (
        <ul class="items" aria-label={words.search.list}>
          {found.map((camera) => (
            <li key={camera.device}>
              <span class="item-text">
                <span>{camera.stream ?? camera.device}</span>
                <span class="soft">{camera.stream ? `${camera.width_px ?? "?"} × ${camera.height_px ?? "?"}` : camera.reason}</span>
              </span>
              <Button small disabled={!camera.stream} onClick={() => onUse(camera.stream ?? "")}>
                {words.search.use}
              </Button>
            </li>
          ))}
        </ul>
      )}
    </Dialog>
  );
}
