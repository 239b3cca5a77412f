/** The attendance sheet: one row for each person, corrected by mouse or by keys. */
import { useRef, useState } from "preact/hooks";
import { words } from "words/sessions";
import { timeOfDay } from "../../../text/format";
import { may } from "../../account";
import { Badge, type Tone } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { SelectField, TextField } from "../../parts/Field";
import { Section } from "../../parts/Page";
import { Empty } from "../../parts/states";
import { toast } from "../../parts/toasts";
import { counted, meaningOf, shownRows, STATUSES, type Row, type Shown, type Status } from "./rows";

export const STATUS_TONE: Record<Status, Tone> = { present: "good", late: "warn", absent: "bad", excused: "info" };

interface Props {
  rows: readonly Row[];
  onChange: (row: Row, status: Status, reason: string) => Promise<boolean>;
  onHistory: (row: Row) => void;
}

export function Sheet({ rows, onChange, onHistory }: Props) {
  const [shown, setShown] = useState<Shown>("all");
  const [text, setText] = useState("");
  const [reason, setReason] = useState<string>(words.sheet.reasonDefault);
  const [at, setAt] = useState("");
  const [said, setSaid] = useState("");
  const busy = useRef(new Set<string>());
  const body = useRef<HTMLTableSectionElement>(null);
  const counts = counted(rows);
  const those = shownRows(rows, shown, text);
  const allowed = may("punch");
  // One row takes part in tabbing; the arrows go on from there.
  const active = those.some(({ person }) => person.id === at) ? at : (those[0]?.person.id ?? "");

  const set = async (row: Row, status: Status) => {
    if (!allowed || busy.current.has(row.person.id)) return;
    if (row.record !== null && row.record.status !== status && reason.trim() === "") {
      toast(words.sheet.noReason, "bad");
      return;
    }
    busy.current.add(row.person.id);
    if (await onChange(row, status, reason.trim())) setSaid(words.sheet.marked(row.person.name, words.status[status]));
    busy.current.delete(row.person.id);
  };
  const onKey = (event: KeyboardEvent, row: Row, index: number) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const asked = meaningOf(event.key, index, those.length);
    if (asked === null) return;
    event.preventDefault();
    if (asked.is === "go") {
      setAt(those[asked.to]?.person.id ?? "");
      body.current?.querySelectorAll<HTMLElement>("tr[data-row]")[asked.to]?.focus();
    } else if (asked.is === "history") {
      if (row.record) onHistory(row);
    } else if (!event.repeat) void set(row, asked.status);
  };

  return (
    <Section
      title={words.sheet.title}
      actions={
        <span class="badges">
          {STATUSES.map((status) => (
            <Badge key={status} tone={STATUS_TONE[status]}>
              {counts[status]} {words.status[status]}
            </Badge>
          ))}
          {counts.missing > 0 && (
            <Badge>
              {counts.missing} {words.sheet.noRecord}
            </Badge>
          )}
        </span>
      }
    >
      <div class="filters">
        <TextField label={words.sheet.search} type="search" value={text} onValue={setText} autocomplete="off" />
        <SelectField
          label={words.sheet.only}
          value={shown}
          options={[
            { value: "all", label: words.sheet.everybody },
            { value: "missing", label: words.sheet.missing },
            ...STATUSES.map((status) => ({ value: status, label: words.status[status] })),
          ]}
          onValue={setShown}
        />
        {allowed && <TextField label={words.sheet.reason} value={reason} onValue={setReason} maxLength={500} />}
      </div>
      {allowed && <p class="help">{words.sheet.keys}</p>}
      <p class="unseen" role="status">
        {said}
      </p>
      {those.length === 0 ? (
        <Empty icon="people" title={rows.length === 0 ? words.sheet.nobody : words.sheet.nobodyFound} />
      ) : (
        <table class="table sheet">
          <caption class="unseen">{words.sheet.list}</caption>
          <thead>
            <tr>
              <th scope="col">{words.sheet.columns.person}</th>
              <th scope="col">{words.sheet.columns.status}</th>
              <th scope="col">{words.sheet.columns.when}</th>
              <th scope="col">
                <span class="unseen">{words.sheet.columns.history}</span>
              </th>
            </tr>
          </thead>
          <tbody ref={body}>
            {those.map((row, index) => (
              <tr
                key={row.person.id}
                data-row={row.person.id}
                tabIndex={row.person.id === active ? 0 : -1}
                onFocus={() => setAt(row.person.id)}
                onKeyDown={(event) => onKey(event, row, index)}
              >
                <th scope="row">
                  <a href={`/people/${row.person.id}`} tabIndex={-1} class="plain-link">
                    {row.person.name}
                  </a>{" "}
                  {!row.expected && <Badge>{words.sheet.extra}</Badge>}
                </th>
                <td data-label={words.sheet.columns.status}>
                  {allowed ? <Choice row={row} tabbed={row.person.id === active} onSet={(status) => void set(row, status)} /> : <Said row={row} />}
                </td>
                <td data-label={words.sheet.columns.when}>
                  {row.record ? (
                    <span class="soft">{[timeOfDay(row.record.first_seen), words.method[row.record.method]].filter(Boolean).join(", ")}</span>
                  ) : (
                    <span class="soft">{words.sheet.noRecord}</span>
                  )}
                </td>
                <td class="col-actions" data-label="">
                  {row.record && (
                    <Button small look="quiet" tabIndex={row.person.id === active ? 0 : -1} aria-label={words.sheet.of(row.person.name)} onClick={() => onHistory(row)}>
                      {row.record.version > 1 ? `${words.sheet.history} (${row.record.version - 1})` : words.sheet.history}
                    </Button>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Section>
  );
}

function Said({ row }: { row: Row }) {
  return row.record ? <Badge tone={STATUS_TONE[row.record.status]}>{words.status[row.record.status]}</Badge> : <Badge>{words.sheet.noRecord}</Badge>;
}

function Choice({ row, tabbed, onSet }: { row: Row; tabbed: boolean; onSet: (status: Status) => void }) {
  return (
    <span class="choice" role="group" aria-label={row.person.name}>
      {STATUSES.map((status) => (
        <button
          key={status}
          type="button"
          class={`choice-one choice-${status}`}
          aria-pressed={row.record?.status === status}
          aria-label={words.status[status]}
          title={words.status[status]}
          tabIndex={tabbed ? 0 : -1}
          onClick={() => onSet(status)}
        >
          {words.letters[status]}
        </button>
      ))}
    </span>
  );
}
