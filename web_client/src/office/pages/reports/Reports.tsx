/** Absence and lateness over a time: charts, tables and files. */
import { useEffect, useRef, useState } from "preact/hooks";
import { words } from "words/reports";
import { count, decimal } from "../../../text/format";
import "../../../ui/reports.css";
import "../../../ui/rows.css";
import { live } from "../../live_events";
import { Button, LinkButton } from "../../parts/Button";
import { SelectField, TextField } from "../../parts/Field";
import { Page, Section } from "../../parts/Page";
import { Empty, Loaded } from "../../parts/states";
import { Table } from "../../parts/Table";
import { useResource } from "../../resource";
import { addressOf, everything, rest } from "../../rest";
import { place, setQuery } from "../../router";
import { PersonSearch } from "../people/PersonSearch";
import { addDays, dayOr, isoDay, mondayOf, shortDay } from "../sessions/calendar";
import { byGroup, byPerson, byWeek, missed, STATUSES, summed, totalOf, type Line } from "./figures";

type Period = keyof typeof words.periods;
type Layout = keyof typeof words.layouts;

const TIMEOUT_MS = 120_000;
const DRAWN_MAX = 15;
const STEP = 50;

/** First and last day of a period that ends today. */
function daysOf(period: Exclude<Period, "own">, today: string): { from: string; to: string } {
  const back = { week: 0, month: 21, term: 84 }[period];
  return { from: addDays(mondayOf(today), -back), to: today };
}

export default function Reports() {
  const { query } = place.value;
  const today = isoDay(new Date());
  const period = (["week", "month", "term"] as const).find((one) => one === query.get("period")) ?? (query.get("from") === null ? "month" : "own");
  const own = { from: dayOr(query.get("from"), today), to: dayOr(query.get("to"), today) };
  const { from, to } = period === "own" ? own : daysOf(period, today);
  const group = query.get("group") ?? "";
  const person = query.get("person") ?? "";
  const session = query.get("session") ?? "";
  const wrong = to < from;
  const asked = { from, to, ...(group ? { group } : {}), ...(person ? { person } : {}), ...(session ? { session } : {}) };
  const groups = useResource(
    () => everything((cursor) => rest.get("/api/v1/groups", { query: { limit: 200, ...(cursor ? { cursor } : {}) } }), (page) => page.groups),
    [live.epoch.value],
  );
  const report = useResource(
    async () => {
      if (wrong) return null;
      // One after the other: the server makes few reports at one time.
      const read = async (layout: Layout) =>
        (await rest.get("/api/v1/reports/attendance", { query: { ...asked, layout, format: "json" }, timeoutMs: TIMEOUT_MS })).rows;
      const sessions = await read("sessions");
      return { sessions, people: await read("people") };
    },
    [JSON.stringify(asked), wrong, live.epoch.value],
  );
  return (
    <Page title={words.title} lead={words.lead}>
      <Section title={words.what}>
        <div class="filters">
          <SelectField
            label={words.period}
            value={period}
            options={(Object.keys(words.periods) as Period[]).map((value) => ({ value, label: words.periods[value] }))}
            onValue={(value) => setQuery(value === "own" ? { period: "", from, to } : { period: value, from: "", to: "" })}
          />
          {period === "own" && (
            <>
              <TextField label={words.from} type="date" value={from} onValue={(value) => setQuery({ from: value })} required />
              <TextField label={words.to} type="date" value={to} onValue={(value) => setQuery({ to: value })} required problem={wrong ? words.wrong : undefined} />
            </>
          )}
          <SelectField
            label={words.group}
            value={group}
            options={[{ value: "", label: words.allGroups }, ...(groups.data ?? []).map(({ id, name }) => ({ value: id, label: name }))]}
            onValue={(value) => setQuery({ group: value })}
          />
        </div>
        {session !== "" && (
          <p class="row-actions">
            <span>{words.oneSession}</span>
            <Button small icon="cancel" onClick={() => setQuery({ session: "" })}>
              {words.clearSession}
            </Button>
          </p>
        )}
        <Who id={person} />
      </Section>
      <Loaded of={report} lines={8}>
        {(rows) => rows !== null && <Found sessions={rows.sessions} people={rows.people} from={from} to={to} />}
      </Loaded>
      {!wrong && <Files asked={asked} />}
    </Page>
  );
}

/** The person that the report is about, or a way to choose one. */
function Who({ id }: { id: string }) {
  const [open, setOpen] = useState(false);
  const found = useResource(async () => (id === "" ? null : await rest.get("/api/v1/people/{person_id}", { path: { person_id: id } })), [id]);
  if (id !== "") {
    return (
      <p class="row-actions">
        <span>{found.data ? words.clearPerson(found.data.name) : ""}</span>
        <Button small icon="cancel" onClick={() => setQuery({ person: "" })}>
          {words.clear}
        </Button>
      </p>
    );
  }
  if (!open) {
    return (
      <div class="row-actions">
        <Button small icon="person" onClick={() => setOpen(true)}>
          {words.choose}
        </Button>
      </div>
    );
  }
  return <PersonSearch label={words.person} action={words.chooseAction} onChoose={(person) => setQuery({ person: person.id })} />;
}

interface FoundProps {
  sessions: readonly Record<string, unknown>[];
  people: readonly Record<string, unknown>[];
  from: string;
  to: string;
}

function Found({ sessions, people, from, to }: FoundProps) {
  const weeks = byWeek(sessions, shortDay);
  const groups = byGroup(sessions, words.noGroup);
  const persons = byPerson(people);
  const sum = summed(weeks);
  const all = totalOf(sum);
  if (all === 0) return <div class="panel"><Empty icon="chart" title={words.none} /></div>;
  const share = (part: number) => words.percent(decimal((100 * part) / all));
  return (
    <>
      <Section title={words.total}>
        <p class="soft">
          {shortDay(from)} – {shortDay(to)} · {words.records(count(all))}
        </p>
        <dl class="numbers">
          {[
            [words.rate, share(sum.present + sum.late)],
            [words.late, share(sum.late)],
            [words.absent, share(sum.absent)],
            [words.excused, share(sum.excused)],
          ].map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      </Section>
      <div class="columns even">
        <Charted title={words.byWeek} first={words.columns.week} lines={weeks} />
        <Charted title={words.byGroup} first={words.columns.group} lines={groups} sideways />
      </div>
      <Charted title={words.byPerson} first={words.columns.person} lines={persons} sideways people lead={words.byPersonLead(DRAWN_MAX)} />
    </>
  );
}

interface ChartedProps {
  title: string;
  lead?: string;
  first: string;
  lines: readonly Line[];
  sideways?: boolean;
  people?: boolean;
}

function Charted({ title, lead, first, lines, sideways = false, people = false }: ChartedProps) {
  const [most, setMost] = useState(STEP);
  const drawn = people ? lines.filter(({ counts }) => missed(counts) > 0).slice(0, DRAWN_MAX) : lines;
  return (
    <Section title={title}>
      {lead !== undefined && <p class="soft">{lead}</p>}
      {drawn.length > 0 && <Drawing title={title} lines={drawn} sideways={sideways} />}
      <details open={lines.length <= DRAWN_MAX}>
        <summary>{words.table}</summary>
        <Table
          caption={title}
          rows={lines.slice(0, most)}
          rowKey={(line) => line.key}
          columns={[
            {
              key: "first",
              label: first,
              cell: (line) => (people && line.label !== words.erased ? <a href={`/people/${line.key}`}>{line.label}</a> : line.label),
            },
            ...STATUSES.map((status) => ({ key: status, label: words.status[status], kind: "number" as const, cell: (line: Line) => count(line.counts[status]) })),
            {
              key: "missed",
              label: words.columns.missed,
              kind: "number" as const,
              cell: (line) => words.percent(decimal((100 * missed(line.counts)) / totalOf(line.counts))),
            },
          ]}
        />
        {lines.length > most && <Button onClick={() => setMost(most + STEP)}>{words.more(Math.min(STEP, lines.length - most))}</Button>}
      </details>
    </Section>
  );
}

function Drawing({ title, lines, sideways }: { title: string; lines: readonly Line[]; sideways: boolean }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [dark, setDark] = useState(0);
  const key = JSON.stringify(lines);
  useEffect(() => {
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const changed = () => setDark((times) => times + 1);
    scheme.addEventListener("change", changed);
    return () => scheme.removeEventListener("change", changed);
  }, []);
  useEffect(() => {
    let end: (() => void) | null = null;
    let gone = false;
    // The library is loaded when there is something to draw.
    void import("./chart").then(({ draw }) => {
      if (!gone && canvas.current) end = draw(canvas.current, lines, words.status, sideways);
    });
    return () => {
      gone = true;
      end?.();
    };
  }, [key, sideways, dark]);
  const size = sideways ? (lines.length > 8 ? "chart-tall" : lines.length > 3 ? "chart-middle" : "chart-low") : "chart-middle";
  return (
    <div class={`chart ${size}`}>
      <canvas ref={canvas} role="img" aria-label={words.chart(title)} />
    </div>
  );
}

function Files({ asked }: { asked: Record<string, string> }) {
  const [layout, setLayout] = useState<Layout>("records");
  const file = (format: string, more: Record<string, string> = {}) => addressOf("/api/v1/reports/attendance", {}, { ...asked, layout, format, ...more });
  return (
    <Section title={words.export}>
      <p class="soft">{words.exportLead}</p>
      <div class="filters">
        <SelectField
          label={words.layout}
          value={layout}
          options={(Object.keys(words.layouts) as Layout[]).map((value) => ({ value, label: words.layouts[value] }))}
          onValue={setLayout}
        />
      </div>
      <div class="row-actions">
        <LinkButton href={file("csv", { bom: "true" })} icon="download" download>
          {words.csv}
        </LinkButton>
        <LinkButton href={file("xlsx")} icon="download" download>
          {words.xlsx}
        </LinkButton>
        <LinkButton href={file("html")}>{words.print}</LinkButton>
      </div>
    </Section>
  );
}
