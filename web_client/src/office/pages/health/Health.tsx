/** How the server does, in plain words. */
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { words } from "words/health";
import { bytes, count, decimal } from "../../../text/format";
import "../../../ui/health.css";
import { live } from "../../live_events";
import { Badge } from "../../parts/Badge";
import { Page, Section } from "../../parts/Page";
import { ProgressBar } from "../../parts/progress";
import { Loaded, Note } from "../../parts/states";
import { useInterval, useResource } from "../../resource";
import { rest, type Shapes } from "../../rest";
import { Plot } from "./Plot";

type Readiness = Shapes["Readiness"];
const EVERY_MS = 4000;
// An hour.
const SAMPLES_MAX = 900;

export default function Health() {
  const ready = useResource(() => rest.get("/readyz"), [live.epoch.value]);
  const [memory, setMemory] = useState<readonly number[]>([]);
  useInterval(ready.reload, EVERY_MS);
  useEffect(() => {
    const used = ready.data?.memory["rss_mb"];
    if (used !== undefined) setMemory((before) => [...before, used].slice(-SAMPLES_MAX));
  }, [ready.data]);
  return (
    <Page title={words.title} lead={words.lead}>
      <Loaded of={ready} lines={8}>
        {(data) => <Figures data={data} memory={memory} />}
      </Loaded>
    </Page>
  );
}

function Facts({ children }: { children: ComponentChildren }) {
  return <dl class="facts">{children}</dl>;
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class="number">{children}</dd>
    </div>
  );
}

function text(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

function number(value: unknown): string {
  return typeof value === "number" ? count(value) : words.recognition.none;
}

function Figures({ data, memory }: { data: Readiness; memory: readonly number[] }) {
  const { recognition, frames, storage, sockets, pulled } = data;
  const mb = (value: number | undefined) => bytes((value ?? 0) * 1e6);
  const received = frames["received"] ?? 0;
  const share = data.tunnel?.["share_used"];
  return (
    <>
      <Note tone={data.status === "ok" ? "good" : data.status === "not_ready" ? "bad" : "warn"} title={words.states[data.status]}>
        {data.reasons.length === 0 ? (
          data.status === "ok" && <p>{words.okText}</p>
        ) : (
          <ul class="reasons">
            {data.reasons.map((reason) => (
              <li key={reason}>{reason}</li>
            ))}
          </ul>
        )}
      </Note>
      <div class="columns even">
        <div class="stack">
          <Section title={words.memory.title}>
            {memory.length > 1 ? (
              <Plot label={words.memory.plot(mb(Math.min(...memory)), mb(Math.max(...memory)))} values={memory} />
            ) : (
              <p class="help">{words.memory.soon}</p>
            )}
            <Facts>
              <Fact name={words.memory.now}>{mb(data.memory["rss_mb"])}</Fact>
              <Fact name={words.memory.peak}>{mb(data.memory["peak_rss_mb"])}</Fact>
            </Facts>
          </Section>
          <Section title={words.storage.title}>
            <Facts>
              <Fact name={words.storage.state}>
                <Badge tone={storage["state"] === "ok" ? "good" : "bad"}>
                  {storage["state"] === "ok" ? words.storage.ok : words.storage.away}
                </Badge>
              </Fact>
              <Fact name={words.storage.stored}>{number(storage["stored"])}</Fact>
              <Fact name={words.storage.pending}>{number(storage["pending"])}</Fact>
              <Fact name={words.storage.lost}>{number(storage["lost"])}</Fact>
              <Fact name={words.storage.refused}>{number(storage["refused"])}</Fact>
              <Fact name={words.people.people}>{number(data.gallery["people"])}</Fact>
              <Fact name={words.people.templates}>{number(data.gallery["templates"])}</Fact>
            </Facts>
          </Section>
        </div>
        <div class="stack">
          <Section title={words.recognition.title}>
            <Facts>
              <Fact name={words.recognition.cost}>
                {typeof recognition["frame_cost_ms"] === "number"
                  ? words.recognition.ms(decimal(recognition["frame_cost_ms"]))
                  : words.recognition.none}
              </Fact>
              <Fact name={words.recognition.pace}>
                {typeof recognition["pace_fps"] === "number" ? words.recognition.fps(decimal(recognition["pace_fps"])) : words.recognition.none}
              </Fact>
              <Fact name={words.recognition.waiting}>{number(recognition["waiting"])}</Fact>
              <Fact name={words.recognition.threads}>{number(recognition["threads"])}</Fact>
              <Fact name={words.recognition.received}>{count(received)}</Fact>
              <Fact name={words.recognition.processed}>{number(frames["processed"])}</Fact>
              <Fact name={words.recognition.dropped}>{number(frames["dropped"])}</Fact>
              <Fact name={words.recognition.failed}>{number(frames["failed"])}</Fact>
            </Facts>
            <p class="help">{words.recognition.droppedHelp}</p>
          </Section>
          <Section title={words.cameras.title}>
            <Facts>
              <Fact name={words.cameras.connected}>{number(sockets["cameras"])}</Fact>
              <Fact name={words.cameras.peers}>{number(sockets["webrtc_peers"])}</Fact>
              <Fact name={words.cameras.pulled}>{number(pulled["live"] ?? 0)}</Fact>
              <Fact name={words.cameras.followers}>{number(sockets["event_followers"])}</Fact>
              {data.tunnel && <Fact name={words.cameras.tunnel}>{text(data.tunnel["state"])}</Fact>}
            </Facts>
            {typeof share === "number" && (
              <>
                <ProgressBar label={words.cameras.tunnel} value={share} max={1} tone={share > 0.9 ? "bad" : share > 0.7 ? "warn" : "good"} />
                <p class="help">{words.cameras.used(decimal(share * 100))}</p>
              </>
            )}
          </Section>
        </div>
      </div>
      <Section title={words.models.title}>
        <Facts>
          <Model name={words.models.detector} model={data.detector} />
          <Model name={words.models.embedder} model={data.embedder} />
          <Fact name={words.models.engine}>{text(data.detector?.["engine"])}</Fact>
        </Facts>
        <p class="help">
          {words.version(data.version)}. {words.models.help}
        </p>
      </Section>
    </>
  );
}

function Model({ name, model }: { name: string; model: Record<string, unknown> | null }) {
  return (
    <Fact name={name}>
      {text(model?.["file"])} <span class="soft">{words.models.licence(text(model?.["licence"]))}</span>
    </Fact>
  );
}
