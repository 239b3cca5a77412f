/** Who was marked last, where and when. */
import { words } from "words/dashboard";
import { timeOfDay } from "../../../text/format";
import { Badge, Initials } from "../../parts/Badge";
import { Empty } from "../../parts/states";
import type { Shapes } from "../../rest";
import type { Mark } from "./board";

interface Props {
  records: readonly Mark[];
  fresh: ReadonlySet<string>;
  cameras: readonly Shapes["CameraBody"][];
}

export function LatestList({ records, fresh, cameras }: Props) {
  if (records.length === 0) return <Empty icon="people" title={words.latest.none} />;
  const names = new Map(cameras.map(({ id, name }) => [id, name]));
  return (
    <ul class="items">
      {records.map((record) => (
        <li key={record.id} class={fresh.has(record.id) ? "fresh" : ""}>
          <Initials name={record.person.name} />
          <div class="item-text">
            <span class="item-name">{record.person.name}</span>
            <span class="soft">
              {[words.method[record.method], record.camera && words.latest.via(names.get(record.camera) || record.camera)]
                .filter(Boolean)
                .join(" ")}
            </span>
          </div>
          <div class="item-side">
            <Badge tone={record.status === "late" ? "warn" : "good"}>{words.status[record.status]}</Badge>
            <time class="soft number" dateTime={record.first_seen ?? ""}>
              {timeOfDay(record.first_seen)}
            </time>
          </div>
        </li>
      ))}
    </ul>
  );
}
