/** The calendar: sessions of a day or a week. */
import { words } from "words/sessions";
import { timeOfDay } from "../../../text/format";
import "../../../ui/rows.css";
import "../../../ui/sessions.css";
import { useEvents } from "../../live";
import { live } from "../../live_events";
import { Badge, type Tone } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { SelectField, TextField } from "../../parts/Field";
import { Page } from "../../parts/Page";
import { Empty, Loaded } from "../../parts/states";
import { useResource } from "../../resource";
import { everything, rest, type Shapes } from "../../rest";
import { place, setQuery } from "../../router";
import { addDays, dayOr, isoDay, longDay, shortDay, weekOf } from "./calendar";

type Session = Shapes["ClassSession"];

export const STATE_TONE: Record<Session["state"], Tone> = {
  planned: "plain", running: "good", ended: "info", missed: "warn", cancelled: "warn",
};
const NARROW_PX = 720;

async function sessionsOf(day: string, group: string): Promise<Session[]> {
  const query = { day, limit: 200, ...(group === "" ? {} : { group_id: group }) };
  const found = await everything(
    (cursor) => rest.get("/api/v1/sessions", { query: { ...query, ...(cursor ? { cursor } : {}) } }),
    (page) => page.sessions,
  );
  return found.sort((one, other) => one.starts_at.localeCompare(other.starts_at));
}

export default function Sessions() {
  const { query } = place.value;
  const today = isoDay(new Date());
  const day = dayOr(query.get("day"), today);
  const wanted = query.get("view") ?? (window.innerWidth < NARROW_PX ? "day" : "week");
  const view = wanted === "day" ? "day" : "week";
  const group = query.get("group") ?? "";
  const days = view === "day" ? [day] : weekOf(day);
  const groups = useResource(
    () => everything((cursor) => rest.get("/api/v1/groups", { query: { limit: 200, ...(cursor ? { cursor } : {}) } }), (page) => page.groups),
    [live.epoch.value],
  );
  const found = useResource(
    async () => new Map(await Promise.all(days.map(async (one) => [one, await sessionsOf(one, group)] as const))),
    [days.join(), group, live.epoch.value],
  );
  useEvents(live, ["session.opened", "session.ended", "roster.imported"], found.reload);
  const nameOf = new Map((groups.data ?? []).map(({ id, name }) => [id, name]));
  const step = view === "day" ? 1 : 7;
  const first = days[0] ?? day;
  const last = days[days.length - 1] ?? day;
  return (
    <Page title={words.title} lead={words.lead}>
      <div class="panel">
        <div class="calendar-head">
          <div class="switch" role="group" aria-label={words.view}>
            {(["day", "week"] as const).map((one) => (
              <Button key={one} small look={view === one ? "primary" : "plain"} aria-pressed={view === one} onClick={() => setQuery({ view: one })}>
                {words[one]}
              </Button>
            ))}
          </div>
          <h2 class="calendar-title" aria-live="polite">
            {view === "day" ? longDay(day) : words.range(shortDay(first), shortDay(last))}
          </h2>
          <div class="row-actions">
            <Button small icon="back" onClick={() => setQuery({ day: addDays(day, -step) })}>
              {words.earlier}
            </Button>
            <Button small onClick={() => setQuery({ day: "" })}>
              {words.today}
            </Button>
            <Button small icon="forward" onClick={() => setQuery({ day: addDays(day, step) })}>
              {words.later}
            </Button>
          </div>
        </div>
        <div class="filters">
          <TextField label={words.day} type="date" value={day} onValue={(value) => setQuery({ day: value })} />
          <SelectField
            label={words.group}
            value={group}
            options={[{ value: "", label: words.allGroups }, ...[...nameOf].map(([value, label]) => ({ value, label }))]}
            onValue={(value) => setQuery({ group: value })}
          />
        </div>
        <Loaded of={found} lines={6}>
          {(byDay) =>
            [...byDay.values()].every((those) => those.length === 0) ? (
              <Empty icon="sessions" title={view === "day" ? words.noneDay : words.noneWeek} />
            ) : (
              <div class={view === "day" ? "agenda" : "week"}>
                {[...byDay].map(([one, those]) => (
                  <section key={one} class={`week-day${one === today ? " week-today" : ""}`} aria-label={longDay(one)}>
                    {view === "week" && <h3>{shortDay(one)}</h3>}
                    {those.length === 0 ? (
                      <p class="soft">{words.none}</p>
                    ) : (
                      <ul>
                        {those.map((session) => (
                          <li key={session.id}>
                            <Entry session={session} group={session.group_id ? nameOf.get(session.group_id) : undefined} />
                          </li>
                        ))}
                      </ul>
                    )}
                  </section>
                ))}
              </div>
            )
          }
        </Loaded>
      </div>
    </Page>
  );
}

function Entry({ session, group }: { session: Session; group: string | undefined }) {
  return (
    <a class={`lesson lesson-${session.state}`} href={`/sessions/${session.id}`}>
      <span class="soft number">{words.times(timeOfDay(session.starts_at), timeOfDay(session.ends_at))}</span>
      <span class="lesson-title">{session.title || words.kinds[session.kind]}</span>
      <span class="badges">
        <Badge tone={STATE_TONE[session.state]}>{words.states[session.state]}</Badge>
        {group !== undefined && <span class="soft">{group}</span>}
      </span>
    </a>
  );
}
