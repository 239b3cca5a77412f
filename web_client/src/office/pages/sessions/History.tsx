/** What became of a record: how it was made, and every correction. */
import { words } from "words/sessions";
import { moment, timeOfDay } from "../../../text/format";
import { useActors } from "../../actors";
import { Badge } from "../../parts/Badge";
import { Dialog } from "../../parts/Dialog";
import { Loaded } from "../../parts/states";
import { useResource } from "../../resource";
import { rest } from "../../rest";
import { STATUS_TONE } from "./Sheet";
import type { Record_ } from "./rows";

export function History({ record, onClose }: { record: Record_; onClose: () => void }) {
  const nameOf = useActors();
  const found = useResource(
    async () => (await rest.get("/api/v1/attendance/{attendance_id}/corrections", { path: { attendance_id: record.id } })).corrections,
    [record.id, record.version],
  );
  return (
    <Dialog title={words.sheet.of(record.person.name)} onClose={onClose}>
      <Loaded of={found} lines={2}>
        {(corrections) => {
          const first = corrections[0]?.status_before ?? record.status;
          return (
            <ol class="items">
              <li>
                <Badge tone={STATUS_TONE[first]}>{words.status[first]}</Badge>
                <span class="item-text">
                  <span>{[timeOfDay(record.first_seen), words.method[record.method]].filter(Boolean).join(", ")}</span>
                  {record.note !== null && <span class="soft">{record.note}</span>}
                  {corrections.length === 0 && <span class="soft">{words.sheet.noChange}</span>}
                </span>
              </li>
              {corrections.map((one) => (
                <li key={one.version}>
                  <Badge tone={STATUS_TONE[one.status]}>{words.status[one.status]}</Badge>
                  <span class="item-text">
                    <span>{one.reason ?? words.sheet.change(words.status[one.status_before], words.status[one.status])}</span>
                    <span class="soft">{[moment(one.at), words.sheet.by(nameOf(one.by))].join(", ")}</span>
                  </span>
                </li>
              ))}
            </ol>
          );
        }}
      </Loaded>
    </Dialog>
  );
}
