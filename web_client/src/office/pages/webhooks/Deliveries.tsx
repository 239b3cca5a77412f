/** What was sent to a webhook, and what came back. */
import { useState } from "preact/hooks";
import { words } from "words/webhooks";
import { moment } from "../../../text/format";
import "../../../ui/rows.css";
import { Badge } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { SelectField } from "../../parts/Field";
import { Section } from "../../parts/Page";
import { Pager } from "../../parts/Pager";
import { Loaded } from "../../parts/states";
import { Table, type Column } from "../../parts/Table";
import { toast, toastFailure } from "../../parts/toasts";
import { useInterval, usePages } from "../../resource";
import { rest, type Shapes } from "../../rest";

type Delivery = Shapes["DeliveryBody"];
type Shown = keyof typeof words.shows;
const READ_EVERY_MS = 10_000;
const SHOWN: readonly Shown[] = ["all", "good", "bad"];

export function Deliveries({ id, turn }: { id: string; turn: number }) {
  const [shown, setShown] = useState<Shown>("all");
  const [busy, setBusy] = useState("");
  const found = usePages(
    (cursor) =>
      rest.get("/api/v1/webhooks/{webhook_id}/deliveries", {
        path: { webhook_id: id },
        query: { limit: 20, ...(shown === "all" ? {} : { delivered: shown === "good" }), ...(cursor ? { cursor } : {}) },
      }),
    [id, shown, turn],
  );
  useInterval(found.reload, READ_EVERY_MS);
  const again = async (delivery: Delivery) => {
    setBusy(delivery.id);
    try {
      const path = { webhook_id: id, delivery_id: delivery.id };
      const sent = await rest.post("/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver", { path, timeoutMs: 60_000 });
      if (sent.delivered) toast(words.testGood(sent.status ?? 0, sent.latency_ms ?? 0));
      else toast(words.testBad(sent.problem), "bad");
    } catch (error) {
      toastFailure(error);
    }
    setBusy("");
    found.reload();
  };
  const columns: Column<Delivery>[] = [
    {
      key: "event",
      label: words.columns.event,
      cell: (one) => (
        <span class="item-text">
          <span>{one.event_type}</span>
          <span class="soft">{[one.cause === "event" ? "" : words.cause(one.cause), one.attempt > 1 ? words.attempt(one.attempt) : ""].filter(Boolean).join(", ")}</span>
        </span>
      ),
    },
    { key: "at", label: words.columns.at, cell: (one) => moment(one.at) },
    {
      key: "came",
      label: words.columns.came,
      cell: (one) => (
        <span class="item-text">
          <span class="badges">
            <Badge tone={one.delivered ? "good" : "bad"}>{one.delivered ? words.taken : words.notTaken}</Badge>
            <span class="soft">{[one.status, one.latency_ms === null ? "" : words.took(one.latency_ms)].filter(Boolean).join(", ")}</span>
          </span>
          {one.problem !== "" && <span>{one.problem}</span>}
          {one.response !== "" && (
            <details>
              <summary>{words.answer}</summary>
              <code>{one.response}</code>
            </details>
          )}
        </span>
      ),
    },
    {
      key: "actions",
      label: words.columns.actions,
      kind: "actions",
      cell: (one) =>
        one.event_id !== null && (
          <Button small icon="reload" busy={busy === one.id} aria-label={words.againOf(one.event_type, moment(one.at))} onClick={() => void again(one)}>
            {words.again}
          </Button>
        ),
    },
  ];
  return (
    <Section title={words.log}>
      <div class="filters">
        <SelectField label={words.show} value={shown} options={SHOWN.map((value) => ({ value, label: words.shows[value] }))} onValue={setShown} />
      </div>
      <Loaded of={found}>
        {({ deliveries }) =>
          deliveries.length === 0 ? <p class="help">{words.logNone}</p> : <Table caption={words.logCaption} columns={columns} rows={deliveries} rowKey={(one) => one.id} />
        }
      </Loaded>
      <Pager of={found} />
    </Section>
  );
}
