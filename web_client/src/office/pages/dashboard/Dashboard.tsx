/** Today at a glance: what runs, who came, what the cameras see, and what somebody should look at. */
import { useEffect, useRef, useState } from "preact/hooks";
import { words } from "words/dashboard";
import { longDay, timeOfDay } from "../../../text/format";
import "../../../ui/dashboard.css";
import { may } from "../../account";
import { useEvents } from "../../live";
import { live } from "../../live_events";
import { LinkButton } from "../../parts/Button";
import { Page, Section } from "../../parts/Page";
import { Empty, Loaded } from "../../parts/states";
import { useInterval, useResource } from "../../resource";
import { everything, rest } from "../../rest";
import { Alerts } from "./Alerts";
import { marked, newest, type Board, type RunningSession, type Session } from "./board";
import { CameraTiles } from "./CameraTiles";
import { LatestList } from "./LatestList";
import { Reviews } from "./Reviews";
import { SessionCard } from "./SessionCard";

const SESSIONS_EVERY_MS = 60_000;
const CAMERAS_EVERY_MS = 5000;
const LATEST_MAX = 8;
const FLASH_MS = 4000;

/** The day of a time, by the clock of this browser. */
function isoDay(date: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

async function runningSession(session: Session): Promise<RunningSession> {
  const group_id = session.group_id;
  const [records, members] = await Promise.all([
    everything(
      (cursor) => rest.get("/api/v1/attendance", { query: { session_id: session.id, limit: 200, ...(cursor ? { cursor } : {}) } }),
      (page) => page.attendance,
    ),
    group_id === null
      ? null
      : everything(
          (cursor) =>
            rest.get("/api/v1/memberships", {
              query: { group_id, limit: 200, ...(session.day ? { day: session.day } : {}), ...(cursor ? { cursor } : {}) },
            }),
          (page) => page.memberships,
        ),
  ]);
  return {
    session,
    records: new Map(records.map((record) => [record.person.id, record])),
    expected: members && new Set(members.filter(({ role }) => role === "student").map(({ person }) => person.id)),
  };
}

async function readBoard(): Promise<{ board: Board; next: Session | null }> {
  const { sessions } = await rest.get("/api/v1/sessions", { query: { state: "running", limit: 50 } });
  const board = await Promise.all(sessions.map(runningSession));
  const order = (one: RunningSession) => one.session.ends_at;
  board.sort((one, other) => order(one).localeCompare(order(other)));
  if (board.some(({ session }) => session.kind === "scheduled")) return { board, next: null };
  const planned = await rest.get("/api/v1/sessions", { query: { state: "planned", day: isoDay(new Date()), limit: 200 } });
  return { board, next: planned.sessions[planned.sessions.length - 1] ?? null };
}

export default function Dashboard() {
  const epoch = live.epoch.value;
  const day = useResource(readBoard, [epoch]);
  const cameras = useResource(async () => (await rest.get("/api/v1/cameras")).cameras, [epoch]);
  const reviews = useResource(() => rest.get("/api/v1/reviews", { query: { state: "open", limit: 20 } }), [epoch]);
  const [fresh, setFresh] = useState<ReadonlySet<string>>(new Set());
  const [announced, setAnnounced] = useState("");
  // What comes while a list is being read is in it or behind it: either way it is put on again after.
  const readSoon = useSoon(day.reload);

  useInterval(day.reload, SESSIONS_EVERY_MS);
  useInterval(cameras.reload, CAMERAS_EVERY_MS);
  useEvents(live, ["attendance.marked"], (event) => {
    const { data, loading } = day.current;
    const after = data && marked(data.board, event);
    if (!after || loading) readSoon();
    if (after) day.set({ ...data, board: after });
    const { attendance_id: id, person, status } = event.data as { attendance_id: string; person: { name: string }; status: "present" };
    setAnnounced(words.announced(person.name, words.status[status], timeOfDay(event.at)));
    setFresh((before) => new Set(before).add(id));
    setTimeout(() => setFresh((before) => new Set([...before].filter((one) => one !== id))), FLASH_MS);
  });
  useEvents(live, ["session.opened", "attendance.corrected", "gallery.changed"], readSoon);
  useEvents(live, ["review.opened", "review.settled"], reviews.reload);
  useEvents(live, ["camera.state", "camera.changed", "camera.removed"], cameras.reload);

  const board = day.data?.board ?? [];
  const records = board.flatMap((running) => [...running.records.values()]);
  const liveCameras = cameras.data?.filter(({ connected }) => connected).length ?? 0;
  const people = new Set(newest(records, Infinity).map(({ person }) => person.id)).size;
  return (
    <Page
      title={words.title}
      lead={words.lead(
        longDay(new Date()),
        cameras.data ? words.camerasLive(liveCameras, cameras.data.length) : "",
        day.data ? words.here(people) : "",
      )}
    >
      <p class="unseen" aria-live="polite">
        {announced}
      </p>
      <Alerts cameras={cameras.data ?? []} />
      <div class="columns">
        <div class="stack">
          <Section title={words.running.title}>
            <Loaded of={day} lines={5}>
              {({ board, next }) =>
                board.length === 0 ? (
                  <Empty icon="sessions" title={[words.running.none, next ? words.running.next(next.title, timeOfDay(next.starts_at)) : ""].join(" ")} />
                ) : (
                  <>
                    <div class="session-cards">
                      {board.map((running) => (
                        <SessionCard key={running.session.id} running={running} fresh={fresh} />
                      ))}
                    </div>
                    {next && <p class="help">{words.running.next(next.title, timeOfDay(next.starts_at))}</p>}
                  </>
                )
              }
            </Loaded>
          </Section>
          <Section
            title={words.cameras.title}
            actions={
              may("admin") && (
                <LinkButton small icon="add" href="/devices?pair=1">
                  {words.cameras.pair}
                </LinkButton>
              )
            }
          >
            <Loaded of={cameras}>{(those) => <CameraTiles cameras={those} />}</Loaded>
          </Section>
        </div>
        <div class="stack">
          <Reviews reviews={reviews} cameras={cameras.data ?? []} />
          <Section title={words.latest.title}>
            <Loaded of={day}>{() => <LatestList records={newest(records, LATEST_MAX)} fresh={fresh} cameras={cameras.data ?? []} />}</Loaded>
          </Section>
        </div>
      </div>
    </Page>
  );
}

/** Calls at once, or soon when it was called a moment ago: a class that comes in is one reading, not thirty. */
function useSoon(then: () => void, waitMs = 400): () => void {
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  useEffect(
    () => () => {
      if (timer.current !== null) clearTimeout(timer.current);
    },
    [],
  );
  return () => {
    timer.current ??= setTimeout(() => {
      timer.current = null;
      then();
    }, waitMs);
  };
}
