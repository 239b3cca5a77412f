/** What the cameras see, and how they do. */
import { useEffect, useMemo, useRef } from "preact/hooks";
import { words } from "words/dashboard";
import { Icon } from "../../icons";
import { Badge, type Tone } from "../../parts/Badge";
import { Empty } from "../../parts/states";
import type { Shapes } from "../../rest";
import { Glance } from "./glance";

type Camera = Shapes["CameraBody"];

/** How a camera does, in a word. */
export function stateOf(camera: Camera): { label: string; tone: Tone } {
  if (camera.pull && camera.pull.state !== "live") {
    const bad = camera.pull.state === "refused" || camera.pull.state === "stalled";
    return { label: words.cameras.states[camera.pull.state], tone: camera.pull.state === "off" ? "plain" : bad ? "bad" : "warn" };
  }
  return camera.connected ? { label: words.cameras.live, tone: "good" } : { label: words.cameras.away, tone: "plain" };
}

export function CameraTiles({ cameras }: { cameras: readonly Camera[] }) {
  if (cameras.length === 0) return <Empty icon="camera" title={words.cameras.none} />;
  const order = (camera: Camera) => (camera.connected ? 0 : 1);
  return (
    <ul class="tiles">
      {[...cameras]
        .sort((one, other) => order(one) - order(other) || one.id.localeCompare(other.id))
        .map((camera) => (
          <li key={camera.id}>
            <Tile camera={camera} />
          </li>
        ))}
    </ul>
  );
}

function Tile({ camera }: { camera: Camera }) {
  const { label, tone } = stateOf(camera);
  const name = camera.name || camera.id;
  const view = camera.in_view ?? null;
  const age = camera.looked_at_age_s ?? null;
  const said =
    camera.connected && view !== null
      ? [words.cameras.view(view), age !== null ? words.cameras.age(age) : ""].filter(Boolean).join(", ")
      : (camera.pull?.reason ?? "");
  return (
    <article class={camera.connected ? "tile" : "tile tile-away"}>
      <div class="tile-picture">
        {camera.connected ? <Picture id={camera.id} name={name} /> : <Icon name="camera" />}
      </div>
      <div class="tile-text">
        <h3>{name}</h3>
        <Badge tone={tone}>{label}</Badge>
        {said !== "" && <p class="soft">{said}</p>}
      </div>
    </article>
  );
}

function Picture({ id, name }: { id: string; name: string }) {
  const glance = useMemo(() => new Glance(id), [id]);
  const frame = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let inSight = false;
    const decide = () => {
      if (inSight && !document.hidden) glance.start();
      else glance.pause();
    };
    const sight = new IntersectionObserver((entries) => {
      inSight = entries.some((entry) => entry.isIntersecting);
      decide();
    });
    if (frame.current) sight.observe(frame.current);
    document.addEventListener("visibilitychange", decide);
    return () => {
      sight.disconnect();
      document.removeEventListener("visibilitychange", decide);
      glance.end();
    };
  }, [glance]);
  const source = glance.source.value;
  const state = glance.state.value;
  return (
    <div ref={frame} class="glance">
      {source !== null ? (
        <img src={source} alt={words.cameras.picture(name)} />
      ) : (
        <span class="soft">
          {state === "none" ? words.cameras.noPicture : state === "forbidden" ? words.cameras.forbidden : <span class="spinner" />}
        </span>
      )}
    </div>
  );
}
