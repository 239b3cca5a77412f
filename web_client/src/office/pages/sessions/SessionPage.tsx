/** One session: its attendance sheet, near matches, and closing it. */
import { useState } from "preact/hooks";
import { words as lessons } from "words/lessons";
import { words } from "words/sessions";
import { timeOfDay } from "../../../text/format";
import "../../../ui/rows.css";
import "../../../ui/sessions.css";
import { RequestFailed } from "../../../api";
import { may } from "../../account";
import { useEvents } from "../../live";
import { live } from "../../live_events";
import type { PageProps } from "../../pages";
import { ask } from "../../parts/ask";
import { Badge } from "../../parts/Badge";
import { Button, LinkButton } from "../../parts/Button";
import { Page } from "../../parts/Page";
import { Loaded } from "../../parts/states";
import { toast, toastFailure } from "../../parts/toasts";
import { useResource } from "../../resource";
import { everything, rest } from "../../rest";
import { longDay } from "./calendar";
import { History } from "./History";
import { LessonDialog } from "./LessonDialog";
import { MarkSomebody } from "./MarkSomebody";
import { NearMatches } from "./NearMatches";
import { STATE_TONE } from "./Sessions";
import { Sheet } from "./Sheet";
import { rowsOf, type Row, type Status } from "./rows";

export default function SessionPage({ params }: PageProps) {
  const id = params["session_id"] ?? "";
  const epoch = live.epoch.value;
  const [history, setHistory] = useState<Row | null>(null);
  const [editing, setEditing] = useState(false);
  const session = useResource(() => rest.get("/api/v1/sessions/{session_id}", { path: { session_id: id } }), [id, epoch]);
  const group = session.data?.group_id ?? null;
  const day = session.data?.day ?? null;
  const members = useResource(
    async () =>
      group === null
        ? []
        : await everything(
            (cursor) => rest.get("/api/v1/memberships", { query: { group_id: group, limit: 200, ...(day ? { day } : {}), ...(cursor ? { cursor } : {}) } }),
            (page) => page.memberships,
            5000,
          ),
    [group, day, epoch],
  );
  const records = useResource(
    () =>
      everything(
        (cursor) => rest.get("/api/v1/attendance", { query: { session_id: id, limit: 200, ...(cursor ? { cursor } : {}) } }),
        (page) => page.attendance,
        5000,
      ),
    [id, epoch],
  );
  useEvents(live, ["attendance.marked", "attendance.corrected", "session.ended"], (event) => {
    if (event.data["session_id"] !== id) return;
    records.reload();
    if (event.type === "session.ended") session.reload();
  });
  const shown = session.data;
  const put = (record: (typeof records)["data"] extends readonly (infer R)[] | null ? R : never) => {
    const others = (records.current.data ?? []).filter((one) => one.person.id !== record.person.id);
    records.set([...others, record]);
  };
  /** Mark or correct; false when it was refused. What somebody else has changed meanwhile is not overwritten. */
  const change = async (row: Row, status: Status, reason: string): Promise<boolean> => {
    try {
      if (row.record === null) {
        put(await rest.post("/api/v1/attendance", { body: { person_id: row.person.id, session_id: id, status } }));
      } else if (row.record.status !== status) {
        put(
          await rest.patch("/api/v1/attendance/{attendance_id}", {
            path: { attendance_id: row.record.id }, version: row.record.version, body: { status, reason },
          }),
        );
      }
      return true;
    } catch (error) {
      if (error instanceof RequestFailed && error.status === 412 && row.record !== null) {
        const now = await rest.get("/api/v1/attendance/{attendance_id}", { path: { attendance_id: row.record.id } });
        put(now);
        toast(words.sheet.conflict(row.person.name, words.status[now.status]), "bad");
      } else toastFailure(error);
      return false;
    }
  };
  const end = async (how: "close" | "cancel") => {
    if (!shown) return;
    const asked =
      how === "close"
        ? { title: words.sheet.closeTitle, text: words.sheet.closeText, yes: words.sheet.closeYes }
        : { title: words.sheet.cancelTitle, text: words.sheet.cancelText, yes: words.sheet.cancelYes, no: words.sheet.cancelNo, danger: true };
    if (!(await ask(asked))) return;
    try {
      session.set(await rest.post(`/api/v1/sessions/{session_id}/${how}`, { path: { session_id: id }, version: shown.version }));
      toast(how === "close" ? words.sheet.closed : words.sheet.cancelled);
    } catch (error) {
      toastFailure(error);
      session.reload();
    }
    records.reload();
  };
  const rows = rowsOf(members.data ?? [], records.data ?? []);
  return (
    <Page
      title={shown ? shown.title || words.kinds[shown.kind] : words.title}
      {...(shown
        ? { lead: [shown.day ? longDay(shown.day) : "", words.times(timeOfDay(shown.starts_at), timeOfDay(shown.ends_at))].filter(Boolean).join(", ") }
        : {})}
      actions={
        <>
          <LinkButton href={shown?.day ? `/sessions?day=${shown.day}` : "/sessions"} icon="back">
            {words.sheet.back}
          </LinkButton>
          {shown?.day && <LinkButton href={`/reports?session=${id}&from=${shown.day}&to=${shown.day}`}>{words.sheet.report}</LinkButton>}
          {shown?.lesson_id && may("roster") && (
            <Button icon="edit" onClick={() => setEditing(true)}>
              {lessons.open}
            </Button>
          )}
          {shown?.state === "planned" && may("roster") && <Button onClick={() => void end("cancel")}>{words.sheet.cancel}</Button>}
          {shown && ["running", "missed"].includes(shown.state) && may("punch") && (
            <Button look="primary" icon="check" onClick={() => void end("close")}>
              {words.sheet.close}
            </Button>
          )}
        </>
      }
    >
      <Loaded of={session}>
        {(one) => (
          <p class="badges">
            <Badge tone={STATE_TONE[one.state]}>{words.states[one.state]}</Badge>
          </p>
        )}
      </Loaded>
      {members.failure && <Loaded of={members}>{() => null}</Loaded>}
      <Loaded of={records} lines={8}>
        {() => (
          <div class="columns beside">
            <Sheet rows={rows} onChange={change} onHistory={setHistory} />
            <div class="stack">
              <NearMatches sessionId={id} onSettled={records.reload} />
              {may("punch") && shown?.state !== "cancelled" && <MarkSomebody onMark={(person) => change({ person, record: null, expected: false }, "present", "")} />}
            </div>
          </div>
        )}
      </Loaded>
      {editing && shown?.lesson_id && (
        <LessonDialog lessonId={shown.lesson_id} day="" group="" onClose={() => setEditing(false)} onSaved={session.reload} />
      )}
      {history?.record && <History record={history.record} onClose={() => setHistory(null)} />}
    </Page>
  );
}
