/** Adding a lesson, and editing one that was filled in by hand. */
import { useState } from "preact/hooks";
import { words } from "words/lessons";
import { Dialog } from "../../parts/Dialog";
import { CheckField, SelectField, TextField } from "../../parts/Field";
import { Form } from "../../parts/Form";
import { Loaded, Note } from "../../parts/states";
import { toast } from "../../parts/toasts";
import { useResource } from "../../resource";
import { everything, rest, type Shapes } from "../../rest";
import { isoDay } from "./calendar";
import { bodyOf, empty, filledOf, problemsOf, type Filled } from "./lesson";
import { Repeating } from "./Repeating";

interface Props {
  /** The lesson to edit; null adds one. */
  lessonId: string | null;
  /** What a new one begins with. */
  day: string;
  group: string;
  onClose: () => void;
  onSaved: () => void;
}

type Named = { id: string; name: string };
type Found = { lesson: Shapes["OneLesson"] | null; groups: Named[]; rooms: Named[]; zone: string };

async function read(lessonId: string | null): Promise<Found> {
  const [lesson, groups, rooms, { time_zone }] = await Promise.all([
    lessonId === null ? null : rest.get("/api/v1/lessons/{lesson_id}", { path: { lesson_id: lessonId } }),
    everything((cursor) => rest.get("/api/v1/groups", { query: { limit: 200, ...(cursor ? { cursor } : {}) } }), (page) => page.groups),
    everything((cursor) => rest.get("/api/v1/rooms", { query: { limit: 200, ...(cursor ? { cursor } : {}) } }), (page) => page.rooms),
    rest.get("/readyz"),
  ]);
  return { lesson, groups, rooms, zone: time_zone };
}

export function LessonDialog({ lessonId, day, group, onClose, onSaved }: Props) {
  const found = useResource(() => read(lessonId), [lessonId]);
  return (
    <Dialog title={lessonId === null ? words.add : words.editTitle} wide onClose={onClose}>
      <Loaded of={found} lines={6}>
        {(those) => {
          const first = those.lesson === null ? empty(day, group) : filledOf(those.lesson);
          if (first === null) return <Note>{words.imported(those.lesson?.source ?? "")}</Note>;
          return (
            <Fields
              first={first}
              found={those}
              onSaved={() => {
                onClose();
                onSaved();
              }}
            />
          );
        }}
      </Loaded>
    </Dialog>
  );
}

function options(named: readonly Named[], none: string): { value: string; label: string }[] {
  return [{ value: "", label: none }, ...named.map(({ id, name }) => ({ value: id, label: name }))];
}

function Fields({ first, found, onSaved }: { first: Filled; found: Found; onSaved: () => void }) {
  const [filled, setFilled] = useState(first);
  const [asked, setAsked] = useState(false);
  const { lesson } = found;
  const problems = problemsOf(filled, lesson === null ? isoDay(new Date()) : "");
  const shown = asked ? problems : {};
  const set = (change: Partial<Filled>) => setFilled({ ...filled, ...change });
  const ready = () => {
    setAsked(true);
    return Object.keys(problems).length === 0;
  };
  const save = async () => {
    const body = bodyOf(filled);
    if (lesson === null) {
      await rest.post("/api/v1/lessons", { body });
      toast(words.added(body.title));
    } else {
      await rest.put("/api/v1/lessons/{lesson_id}", { path: { lesson_id: lesson.id }, version: lesson.version, body });
      toast(words.changed(body.title));
    }
    onSaved();
  };
  return (
    <Form
      submit={lesson === null ? words.add : words.save}
      ready={ready}
      onSubmit={save}
      explain={({ code }) => (code === "etag_mismatch" ? words.stale : null)}
    >
      {lesson !== null && <p class="soft">{words.changeHelp}</p>}
      <TextField label={words.title} value={filled.title} onValue={(title) => set({ title })} problem={shown.title} required maxLength={200} autocomplete="off" />
      <div class="fields">
        <SelectField label={words.group} help={words.groupHelp} value={filled.group} options={options(found.groups, words.noGroup)} onValue={(group) => set({ group })} />
        <SelectField label={words.room} help={words.roomHelp} value={filled.room} options={options(found.rooms, words.noRoom)} onValue={(room) => set({ room })} />
        <TextField label={words.day} type="date" value={filled.day} onValue={(day) => set({ day })} problem={shown.day} required />
        <TextField label={words.late} inputMode="decimal" value={filled.late} onValue={(late) => set({ late })} problem={shown.late} help={words.lateHelp} optional />
        <TextField label={words.starts} type="time" value={filled.starts} onValue={(starts) => set({ starts: starts.slice(0, 5) })} problem={shown.starts} required />
        <TextField label={words.ends} type="time" value={filled.ends} onValue={(ends) => set({ ends: ends.slice(0, 5) })} problem={shown.ends} required />
      </div>
      <p class="help">{words.clock(found.zone)}</p>
      <CheckField label={words.repeats} checked={filled.repeats} onValue={(repeats) => set({ repeats })} />
      {filled.repeats && <Repeating filled={filled} problems={shown} onChange={set} />}
    </Form>
  );
}
