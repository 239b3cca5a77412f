/** Programs elsewhere that are told of events. */
import { words as page } from "words/settings";
import { Badge } from "../../parts/Badge";
import { Section } from "../../parts/Page";
import { Loaded } from "../../parts/states";
import { Table, type Column } from "../../parts/Table";
import { useResource } from "../../resource";
import { rest, type Shapes } from "../../rest";

type Webhook = Shapes["WebhookBody"];
const words = page.webhooks;

const COLUMNS: Column<Webhook>[] = [
  { key: "address", label: words.address, cell: ({ address }) => address },
  { key: "events", label: words.events, cell: ({ event_types }) => (event_types.length === 0 ? words.all : event_types.join(", ")) },
  {
    key: "state",
    label: words.state,
    cell: ({ enabled }) => <Badge tone={enabled ? "good" : "plain"}>{enabled ? words.on : words.off}</Badge>,
  },
];

export function WebhookList() {
  const webhooks = useResource(async () => (await rest.get("/api/v1/webhooks")).webhooks);
  return (
    <Section title={words.title}>
      <p class="soft">{words.lead}</p>
      <Loaded of={webhooks} lines={2}>
        {(rows) =>
          rows.length === 0 ? (
            <p class="help">{words.none}</p>
          ) : (
            <Table caption={words.caption} columns={COLUMNS} rows={rows} rowKey={({ id }) => id} />
          )
        }
      </Loaded>
    </Section>
  );
}
