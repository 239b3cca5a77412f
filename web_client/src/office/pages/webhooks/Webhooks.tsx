/** Programs elsewhere that are told of events: the list, and adding one. */
import { useState } from "preact/hooks";
import { words as parts } from "words/parts";
import { words } from "words/webhooks";
import { useEvents } from "../../live";
import { live } from "../../live_events";
import { Badge, type Tone } from "../../parts/Badge";
import { Button, LinkButton } from "../../parts/Button";
import { Dialog } from "../../parts/Dialog";
import { CheckField, TextField } from "../../parts/Field";
import { Form } from "../../parts/Form";
import { Page } from "../../parts/Page";
import { Secret } from "../../parts/Secret";
import { Empty, Loaded, Note } from "../../parts/states";
import { Table, type Column } from "../../parts/Table";
import { useResource } from "../../resource";
import { rest } from "../../rest";
import { EventChoice } from "./EventChoice";
import { stateOf, type EventKind, type Webhook } from "./events";

export const STATE_TONE: Record<ReturnType<typeof stateOf>, Tone> = { on: "good", off: "plain", failing: "bad" };

const COLUMNS: Column<Webhook>[] = [
  {
    key: "address",
    label: words.address,
    cell: ({ address, description }) => (
      <span class="item-text">
        <span>{address}</span>
        {description !== "" && <span class="soft">{description}</span>}
      </span>
    ),
  },
  { key: "events", label: words.events, cell: ({ event_types }) => (event_types.length === 0 ? words.all : event_types.join(", ")) },
  { key: "state", label: words.state, cell: (webhook) => <Badge tone={STATE_TONE[stateOf(webhook)]}>{words.states[stateOf(webhook)]}</Badge> },
  {
    key: "actions",
    label: parts.actions,
    kind: "actions",
    cell: ({ id, address }) => (
      <LinkButton small href={`/webhooks/${id}`}>
        {words.open} <span class="unseen">{address}</span>
      </LinkButton>
    ),
  },
];

export default function Webhooks() {
  const [adding, setAdding] = useState(false);
  const found = useResource(() => rest.get("/api/v1/webhooks"), [live.epoch.value]);
  useEvents(live, ["webhook.disabled"], found.reload);
  return (
    <Page
      title={words.title}
      lead={words.lead}
      actions={
        <Button look="primary" icon="add" disabled={found.data === null} onClick={() => setAdding(true)}>
          {words.add}
        </Button>
      }
    >
      <div class="panel">
        <Loaded of={found}>
          {({ webhooks }) =>
            webhooks.length === 0 ? (
              <Empty icon="send" title={words.none} />
            ) : (
              <Table caption={words.caption} columns={COLUMNS} rows={webhooks} rowKey={({ id }) => id} />
            )
          }
        </Loaded>
      </div>
      {adding && found.data && (
        <Dialog title={words.add} wide onClose={() => setAdding(false)}>
          <Add kinds={found.data.event_kinds} onAdded={found.reload} onDone={() => setAdding(false)} />
        </Dialog>
      )}
    </Page>
  );
}

function Add({ kinds, onAdded, onDone }: { kinds: readonly EventKind[]; onAdded: () => void; onDone: () => void }) {
  const [url, setUrl] = useState("");
  const [description, setDescription] = useState("");
  const [chosen, setChosen] = useState<readonly string[] | null>(null);
  const [names, setNames] = useState(false);
  const [asked, setAsked] = useState(false);
  const [secret, setSecret] = useState<string | null>(null);
  const noUrl = url.trim() === "";
  const noEvent = chosen !== null && chosen.length === 0;
  const add = async () => {
    const body = { url: url.trim(), description: description.trim(), event_types: [...(chosen ?? [])], include_names: names };
    setSecret((await rest.post("/api/v1/webhooks", { body })).secret);
    onAdded();
  };
  if (secret !== null) return <Told title={words.added} secret={secret} onDone={onDone} />;
  return (
    <Form
      submit={words.add}
      onSubmit={add}
      ready={() => {
        setAsked(true);
        return !noUrl && !noEvent;
      }}
    >
      <TextField label={words.address} value={url} onValue={setUrl} problem={asked && noUrl ? words.addressHelp : undefined} help={asked && noUrl ? undefined : words.addressHelp} inputMode="url" maxLength={2000} autocapitalize="none" spellcheck={false} autocomplete="off" required />
      <TextField label={words.description} value={description} onValue={setDescription} placeholder={words.descriptionPlaceholder} maxLength={200} autocomplete="off" optional />
      <EventChoice kinds={kinds} chosen={chosen} before={[]} problem={asked && noEvent ? words.someMissing : undefined} onChange={setChosen} />
      <CheckField label={words.names} help={words.namesHelp} checked={names} onValue={setNames} />
    </Form>
  );
}

/** A secret, told this once. */
export function Told({ title, secret, onDone }: { title: string; secret: string; onDone: () => void }) {
  return (
    <div class="form">
      <Note tone="good" title={title}>
        <p>{words.secretOnce}</p>
      </Note>
      <Secret text={secret} />
      <div class="form-actions">
        <Button look="primary" onClick={onDone}>
          {parts.done}
        </Button>
      </div>
    </div>
  );
}
