/** The calendar: sessions of a day or a week. */
import { useState } from "preact/hooks";
import { words as lessons } from "words/lessons";
import { words } from "words/sessions";
import { timeOfDay } from "../../../text/format";
import "../../../ui/rows.css";
import "../../../ui/sessions.css";
import { may } from "../../account";
import { useEvents } from "../../live";
import { live } from "../../live_events";
import { Badge, type Tone } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { SelectField, TextField } from "../../parts/Field";
import { Page } from "../../parts/Page";
import { Empty, Loaded } from "../../parts/states";
import { useResource, type Resource } from "../../resource";
import { everything, rest, type Shapes } from "../../rest";
import { place, setQuery } from "../../router";
import { addDays, dayOr, isoDay, longDay, shortDay, weekOf } from "./calendar";
import { LessonDialog } from "./LessonDialog";
import { LessonList } from "./LessonList";

type Session = Shapes["ClassSession"];

export const STATE_TONE: Record<Session["state"], Tone> = {
  planned: "plain", running: "good", ended: "info", missed: "warn", cancelled: "warn",
};
const NARROW_PX = 720;
const VIEWS = ["day", "week", "lessons"] as const;

/** The sessions of some days that follow each other, by day. */
async function sessionsOf(days: readonly string[], group: string): Promise<Map<string, Session[]>> {
  const first = days[0] ?? "";
  const query = { from: first, to: days[days.length - 1] ?? first, limit: 200, ...(group === "" ? {} : { group_id: group }) };
  const found = await everything(
    (cursor) => rest.get("/api/v1/sessions", { query: { ...query, ...(cursor ? { cursor } : {}) } }),
    (page) => page.sessions,
    5000,
  );
  const byDay = new Map<string, Session[]>(days.map((day) => [day, []]));
  for (const session of found.reverse()) byDay.get(session.day ?? first)?.push(session);
  return byDay;
}

export default function Sessions() {
  const { query } = place.value;
  const today = isoDay(new Date());
  const day = dayOr(query.get("day"), today);
  const wanted = query.get("view") ?? (window.innerWidth < NARROW_PX ? "day" : "week");
  const view = VIEWS.find((one) => one === wanted) ?? "week";
  const group = query.get("group") ?? "";
  const days = view === "day" ? [day] : weekOf(day);
  const groups = useResource(
    () => everything((cursor) => rest.get("/api/v1/groups", { query: { limit: 200, ...(cursor ? { cursor } : {}) } }), (page) => page.groups),
    [live.epoch.value],
  );
  const [adding, setAdding] = useState(false);
  const [turn, setTurn] = useState(0);
  const found = useResource(() => sessionsOf(days, group), [days.join(), group, live.epoch.value]);
  useEvents(live, ["session.opened", "session.ended", "roster.imported"], found.reload);
  const nameOf = new Map((groups.data ?? []).map(({ id, name }) => [id, name]));
  const step = view === "day" ? 1 : 7;
  const first = days[0] ?? day;
  const last = days[days.length - 1] ?? day;
  return (
    <Page
      title={words.title}
      lead={words.lead}
      actions={
        may("roster") && (
          <Button look="primary" icon="add" onClick={() => setAdding(true)}>
            {lessons.add}
          </Button>
        )
      }
    >
      <div class="panel">
        <div class="calendar-head">
          <div class="switch" role="group" aria-label={words.view}>
            {VIEWS.map((one) => (
              <Button key={one} small look={view === one ? "primary" : "plain"} aria-pressed={view === one} onClick={() => setQuery({ view: one })}>
                {words[one]}
              </Button>
            ))}
          </div>
          <h2 class="calendar-title" aria-live="polite">
            {view === "lessons" ? lessons.list : view === "day" ? longDay(day) : words.range(shortDay(first), shortDay(last))}
          </h2>
          {view !== "lessons" && (
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
          )}
        </div>
        <div class="filters">
          {view !== "lessons" && <TextField label={words.day} type="date" value={day} onValue={(value) => setQuery({ day: value })} />}
          <SelectField
            label={words.group}
            value={group}
            options={[{ value: "", label: words.allGroups }, ...[...nameOf].map(([value, label]) => ({ value, label }))]}
            onValue={(value) => setQuery({ group: value })}
          />
        </div>
        {view === "lessons" ? (
          <LessonList group={group} groupNames={nameOf} turn={turn} />
        ) : (
          <Calendar found={found} today={today} week={view === "week"} groupNames={nameOf} />
        )}
      </div>
      {adding && (
        <LessonDialog
          lessonId={null}
          day={day}
          group={group}
          onClose={() => setAdding(false)}
          onSaved={() => {
            setTurn(turn + 1);
            found.reload();
          }}
        />
      )}
    </Page>
  );
}

interface CalendarProps {
  found: Resource<Map<string, Session[]>>;
  today: string;
  week: boolean;
  groupNames: ReadonlyMap<string, string>;
}

function Calendar({ found, today, week, groupNames }: CalendarProps) {
  return (
    <Loaded of={found} lines={6}>
      {(byDay) =>
        [...byDay.values()].every((those) => those.length === 0) ? (
          <Empty icon="sessions" title={week ? words.noneWeek : words.noneDay} />
        ) : (
          <div class={week ? "week" : "agenda"}>
            {[...byDay].map(([one, those]) => (
              <section key={one} class={`week-day${one === today ? " week-today" : ""}`} aria-label={longDay(one)}>
                {week && <h3>{shortDay(one)}</h3>}
                {those.length === 0 ? (
                  <p class="soft">{words.none}</p>
                ) : (
                  <ul>
                    {those.map((session) => (
                      <li key={session.id}>
                        <Entry session={session} group={session.group_id ? groupNames.get(session.group_id) : undefined} />
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
