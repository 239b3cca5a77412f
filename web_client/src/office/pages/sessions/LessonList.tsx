/** All lessons: those of imported timetables, and those that were filled in by hand. */
import { useState } from "preact/hooks";
import { words } from "words/lessons";
import { moment } from "../../../text/format";
import { may } from "../../account";
import { useEvents } from "../../live";
import { live } from "../../live_events";
import { ask } from "../../parts/ask";
import { Button } from "../../parts/Button";
import { Pager } from "../../parts/Pager";
import { Empty, Loaded } from "../../parts/states";
import { Table, type Column } from "../../parts/Table";
import { toast, toastFailure } from "../../parts/toasts";
import { usePages } from "../../resource";
import { rest, type Shapes } from "../../rest";
import { LessonDialog } from "./LessonDialog";

type Lesson = Shapes["Lesson"];
const BY_HAND = "form";

interface Props {
  group: string;
  groupNames: ReadonlyMap<string, string>;
  /** Changes when a lesson was added beside the list. */
  turn: number;
}

export function LessonList({ group, groupNames, turn }: Props) {
  const [edited, setEdited] = useState<string | null>(null);
  const found = usePages(
    (cursor) => rest.get("/api/v1/lessons", { query: { limit: 50, ...(group === "" ? {} : { group_id: group }), ...(cursor ? { cursor } : {}) } }),
    [group, turn, live.epoch.value],
  );
  useEvents(live, ["roster.imported", "session.opened"], found.reload);
  const remove = async (lesson: Lesson) => {
    const text = lesson.source === BY_HAND ? words.removeText : words.removeTextImported;
    if (!(await ask({ title: words.removeTitle(lesson.title), text, yes: words.removeYes, danger: true }))) return;
    try {
      await rest.delete("/api/v1/lessons/{lesson_id}", { path: { lesson_id: lesson.id }, version: lesson.version });
      toast(words.removed(lesson.title));
    } catch (error) {
      toastFailure(error);
    }
    found.reload();
  };
  const columns: Column<Lesson>[] = [
    { key: "title", label: words.title, cell: ({ title }) => title },
    { key: "group", label: words.group, cell: ({ group_id }) => (group_id === null ? "–" : (groupNames.get(group_id) ?? "–")) },
    { key: "next", label: words.next, cell: ({ next_at }) => moment(next_at) || words.nextNone },
    { key: "source", label: words.source, cell: ({ source }) => (source === BY_HAND ? words.byHand : source) },
    ...(may("roster")
      ? [
          {
            key: "actions",
            label: "",
            kind: "actions" as const,
            cell: (lesson: Lesson) => (
              <span class="row-actions">
                {lesson.source === BY_HAND && (
                  <Button small icon="edit" aria-label={words.editOf(lesson.title)} onClick={() => setEdited(lesson.id)}>
                    {words.edit}
                  </Button>
                )}
                <Button small icon="remove" aria-label={words.removeOf(lesson.title)} onClick={() => void remove(lesson)}>
                  {words.remove}
                </Button>
              </span>
            ),
          },
        ]
      : []),
  ];
  return (
    <>
      <Loaded of={found} lines={6}>
        {({ lessons }) =>
          lessons.length === 0 ? <Empty icon="sessions" title={words.none} /> : <Table caption={words.caption} columns={columns} rows={lessons} rowKey={({ id }) => id} />
        }
      </Loaded>
      <Pager of={found} />
      {edited !== null && <LessonDialog lessonId={edited} day="" group="" onClose={() => setEdited(null)} onSaved={found.reload} />}
    </>
  );
}
