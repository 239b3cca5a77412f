/** A session that runs: how many of those expected are here, and who came last. */
import { words } from "words/dashboard";
import { timeOfDay } from "../../../text/format";
import { isPage } from "../../pages";
import { Badge } from "../../parts/Badge";
import { Ring } from "../../parts/progress";
import { newest, tally, type RunningSession } from "./board";

const NAMES_MAX = 6;

export function SessionCard({ running, fresh }: { running: RunningSession; fresh: ReadonlySet<string> }) {
  const { session, records } = running;
  const { here, late, missing, extra, expected } = tally(running);
  const title = session.kind === "open" ? words.running.open : session.title;
  const sheet = `/sessions/${session.id}`;
  const names = newest(records.values(), NAMES_MAX);
  return (
    <article class="session-card">
      <Ring label={words.running.ring(title, here, expected)} value={here} max={expected}>
        <span class="ring-number number">{here}</span>
        <span class="ring-of">{expected === null ? words.running.hereShort : words.running.of(expected)}</span>
      </Ring>
      <div class="session-text">
        <h3>{isPage(sheet) ? <a href={sheet}>{title}</a> : title}</h3>
        <p class="soft number">
          {session.kind === "open" ? words.running.allDay : words.running.from(timeOfDay(session.starts_at), timeOfDay(session.ends_at))}
        </p>
        <p class="badges">
          {expected !== null && missing === 0 && expected > 0 && <Badge tone="good">{words.running.all}</Badge>}
          {missing > 0 && <Badge>{words.running.missing(missing)}</Badge>}
          {late > 0 && <Badge tone="warn">{words.running.late(late)}</Badge>}
          {extra > 0 && <Badge tone="info">{words.running.extra(extra)}</Badge>}
        </p>
        {names.length === 0 ? (
          <p class="help">{words.running.nobody}</p>
        ) : (
          <ul class="names" aria-label={words.running.newest}>
            {names.map((record) => (
              <li key={record.id} class={fresh.has(record.id) ? "fresh" : ""}>
                {record.person.name}
              </li>
            ))}
          </ul>
        )}
      </div>
    </article>
  );
}
