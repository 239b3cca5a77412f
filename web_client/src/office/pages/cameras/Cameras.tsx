/** All cameras and how they do. */
import { useRef, useState } from "preact/hooks";
import { words } from "words/cameras";
import { count, decimal } from "../../../text/format";
import "../../../ui/cameras.css";
import "../../../ui/rows.css";
import { may } from "../../account";
import { useEvents } from "../../live";
import { live } from "../../live_events";
import { Badge, type Tone } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { Page } from "../../parts/Page";
import { Empty, Loaded } from "../../parts/states";
import { Table } from "../../parts/Table";
import { useInterval, useResource } from "../../resource";
import { everything, rest } from "../../rest";
import { AddCamera } from "./AddCamera";
import { Discover } from "./Discover";
import { EditCamera } from "./EditCamera";
import { ageOf, dropsOf, Rates, type Camera } from "./rates";

const EVERY_MS = 5000;

function stateOf(camera: Camera): { label: string; tone: Tone } {
  const state = camera.pull && camera.pull.state !== "live" ? camera.pull.state : camera.connected ? "live" : "away";
  const tone: Tone = state === "live" ? "good" : state === "refused" || state === "stalled" ? "bad" : state === "away" || state === "off" ? "plain" : "warn";
  return { label: words.states[state], tone };
}

export default function Cameras() {
  const epoch = live.epoch.value;
  const rates = useRef(new Rates());
  const [adding, setAdding] = useState<{ address: string } | null>(null);
  const [looking, setLooking] = useState(false);
  const [changed, setChanged] = useState<Camera | null>(null);
  const cameras = useResource(async () => {
    const found = (await rest.get("/api/v1/cameras")).cameras;
    rates.current.feed(found, performance.now());
    return found;
  }, [epoch]);
  const rooms = useResource(
    () => everything((cursor) => rest.get("/api/v1/rooms", { query: { limit: 200, ...(cursor ? { cursor } : {}) } }), (page) => page.rooms),
    [epoch],
  );
  useInterval(cameras.reload, EVERY_MS);
  useEvents(live, ["camera.changed", "camera.removed", "camera.state"], cameras.reload);
  useEvents(live, ["camera.placed"], rooms.reload);
  const close = () => {
    setAdding(null);
    setChanged(null);
    cameras.reload();
    rooms.reload();
  };
  const roomOf = (id: string) => rooms.data?.find((room) => room.cameras.includes(id))?.name ?? "–";
  const allowed = may("cameras");
  return (
    <Page
      title={words.title}
      lead={words.lead}
      actions={
        allowed && (
          <>
            <Button icon="search" onClick={() => setLooking(true)}>
              {words.discover}
            </Button>
            <Button look="primary" icon="add" onClick={() => setAdding({ address: "" })}>
              {words.add}
            </Button>
          </>
        )
      }
    >
      <div class="panel">
        <Loaded of={cameras} lines={6}>
          {(all) =>
            all.length === 0 ? (
              <Empty icon="camera" title={words.none}>
                {allowed && (
                  <Button look="primary" icon="add" onClick={() => setAdding({ address: "" })}>
                    {words.add}
                  </Button>
                )}
              </Empty>
            ) : (
              <Table
                caption={words.list}
                rows={all}
                rowKey={(camera) => camera.id}
                columns={[
                  {
                    key: "camera",
                    label: words.columns.camera,
                    cell: (camera) => (
                      <span class="item-text">
                        <span>{camera.name || camera.id}</span>
                        <span class="soft">{camera.address ?? camera.id}</span>
                      </span>
                    ),
                  },
                  { key: "state", label: words.columns.state, cell: (camera) => <State camera={camera} /> },
                  { key: "rate", label: words.columns.rate, kind: "number", cell: (camera) => rateOf(rates.current.of(camera.id)) },
                  { key: "dropped", label: words.columns.dropped, kind: "number", cell: dropped },
                  { key: "age", label: words.columns.age, kind: "number", cell: age },
                  { key: "room", label: words.columns.room, cell: (camera) => roomOf(camera.id) },
                  ...(allowed
                    ? [
                        {
                          key: "open",
                          label: words.columns.open,
                          kind: "actions" as const,
                          cell: (camera: Camera) => (
                            <Button small icon="edit" aria-label={words.changeOf(camera.name || camera.id)} onClick={() => setChanged(camera)}>
                              {words.change}
                            </Button>
                          ),
                        },
                      ]
                    : []),
                ]}
              />
            )
          }
        </Loaded>
      </div>
      {adding && <AddCamera address={adding.address} onClose={close} />}
      {changed && <EditCamera camera={changed} rooms={rooms.data ?? []} onClose={close} />}
      {looking && (
        <Discover
          onClose={() => setLooking(false)}
          onUse={(address) => {
            setLooking(false);
            setAdding({ address });
          }}
        />
      )}
    </Page>
  );
}

function State({ camera }: { camera: Camera }) {
  const { label, tone } = stateOf(camera);
  const reason = camera.pull && camera.pull.state !== "live" ? camera.pull.reason : "";
  return (
    <span class="item-text">
      <span>
        <Badge tone={tone}>{label}</Badge>
      </span>
      {reason !== "" && <span class="soft">{reason}</span>}
    </span>
  );
}

function rateOf(rate: number | null): string {
  return rate === null ? "–" : words.perSecond(decimal(rate));
}

function dropped(camera: Camera): string {
  const drops = dropsOf(camera);
  return drops === null ? "–" : words.share(decimal(100 * drops.share), count(drops.count));
}

function age(camera: Camera): string {
  const seconds = ageOf(camera);
  return seconds === null ? words.never : words.age(seconds);
}
