/** Counts of the connection: what was sent, what was not, and what it cost. */
import { bytes, count, decimal, text } from "../text";
import type { Station } from "./station";

export function FiguresPanel({ station }: { station: Station }) {
  const words = text.camera.figures;
  const figures = station.figures.value;
  const state = station.connection.state.value;
  const carrier = state.is === "live" ? state.link.carrier : "none";
  const latency = station.latencyMs.value;
  const rows: [string, string, string?][] = [
    [words.carrier, words.carriers[carrier]],
    [words.latency, latency === null || carrier === "none" ? words.unknown : words.ms(Math.round(latency / 10) * 10)],
    [words.sent, count(figures.sent)],
    [words.dropped, count(figures.dropped), words.droppedHelp],
    [words.rate, words.kbps(decimal(figures.kBps))],
    [words.total, bytes(figures.bytes)],
  ];
  return (
    <section class="panel figures" aria-labelledby="figures">
      <h2 id="figures">
        {words.heading} <span class="tag">{words.fps(decimal(figures.fps))}</span>
      </h2>
      {station.connection.fellBack.value && carrier === "websocket" && (
        <p class="help">{text.camera.status.fellBack}</p>
      )}
      <p class="help" role="status">
        {station.eased.value ? text.camera.status.eased : ""}
      </p>
      <dl>
        {rows.map(([name, value, help]) => (
          <div key={name} title={help}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
