/** API tokens of programs. */
import { useState } from "preact/hooks";
import { words as page } from "words/access";
import { words as parts } from "words/parts";
import { ago, day } from "../../../text/format";
import { may } from "../../account";
import { useEvents } from "../../live";
import { live } from "../../live_events";
import { ask } from "../../parts/ask";
import { Button } from "../../parts/Button";
import { Dialog } from "../../parts/Dialog";
import { CheckField, SelectField, TextField } from "../../parts/Field";
import { Form } from "../../parts/Form";
import { Section } from "../../parts/Page";
import { Secret } from "../../parts/Secret";
import { Empty, Loaded, Note } from "../../parts/states";
import { Table, type Column } from "../../parts/Table";
import { toast, toastFailure } from "../../parts/toasts";
import { useResource } from "../../resource";
import { rest, type Shapes } from "../../rest";

type Token = Shapes["TokenBody"];
type Scope = Shapes["TokenCreate"]["scopes"][number];
type Days = keyof typeof words.dayChoices;
const words = page.tokens;
const SCOPES = Object.keys(words.scopeNames) as Scope[];
const DAYS: readonly Days[] = ["30", "90", "365", ""];

export function TokenList() {
  const [open, setOpen] = useState(false);
  const tokens = useResource(() => rest.get("/api/v1/tokens"), [live.epoch.value]);
  useEvents(live, ["access.changed"], tokens.reload);
  const revoke = async (token: Token) => {
    if (!(await ask({ title: words.revokeSure(token.name), text: words.revokeText, yes: words.revoke, danger: true }))) return;
    try {
      await rest.delete("/api/v1/tokens/{token_id}", { path: { token_id: token.id } });
      toast(words.revoked(token.name));
    } catch (error) {
      toastFailure(error);
    }
    tokens.reload();
  };
  const columns: Column<Token>[] = [
    { key: "name", label: words.name, cell: (token) => token.name },
    { key: "scopes", label: words.scopes, cell: (token) => token.scopes.join(", ") },
    { key: "by", label: words.by, cell: (token) => token.created_by },
    { key: "used", label: words.used, cell: (token) => ago(token.last_used_at) || words.never },
    { key: "expires", label: words.expires, cell: (token) => day(token.expires_at) || words.never },
    {
      key: "actions",
      label: words.actions,
      kind: "actions",
      cell: (token) => (
        <Button small onClick={() => void revoke(token)} aria-label={`${words.revoke}: ${token.name}`}>
          {words.revoke}
        </Button>
      ),
    },
  ];
  return (
    <Section
      title={words.title}
      actions={
        may("grant") && (
          <Button small icon="key" onClick={() => setOpen(true)}>
            {words.add}
          </Button>
        )
      }
    >
      <Loaded of={tokens} lines={2}>
        {({ tokens: rows }) =>
          rows.length === 0 ? (
            <Empty icon="key" title={words.none} />
          ) : (
            <Table caption={words.caption} columns={columns} rows={rows} rowKey={(token) => token.id} />
          )
        }
      </Loaded>
      {open && (
        <Dialog title={words.add} onClose={() => setOpen(false)}>
          <Make onMade={tokens.reload} onDone={() => setOpen(false)} />
        </Dialog>
      )}
    </Section>
  );
}

function Make({ onMade, onDone }: { onMade: () => void; onDone: () => void }) {
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<readonly Scope[]>(["read"]);
  const [days, setDays] = useState<Days>("365");
  const [secret, setSecret] = useState<string | null>(null);
  const make = async () => {
    const expires_at = days === "" ? null : new Date(Date.now() + Number(days) * 86_400_000).toISOString();
    const made = await rest.post("/api/v1/tokens", { body: { name, scopes: [...scopes], expires_at } });
    setSecret(made.token);
    onMade();
  };
  if (secret !== null) {
    return (
      <>
        <Note tone="good" title={words.made}>
          <p>{words.once}</p>
        </Note>
        <Secret text={secret} />
        <div class="form-actions">
          <Button look="primary" onClick={onDone}>
            {parts.done}
          </Button>
        </div>
      </>
    );
  }
  return (
    <Form submit={words.add} onSubmit={make} disabled={scopes.length === 0}>
      <p class="soft">{words.lead}</p>
      <TextField label={words.name} value={name} onValue={setName} autocomplete="off" maxLength={100} required />
      <fieldset class="group">
        <legend>{words.scopes}</legend>
        {SCOPES.map((scope) => (
          <CheckField
            key={scope}
            label={scope}
            help={words.scopeNames[scope]}
            checked={scopes.includes(scope)}
            disabled={!may(scope)}
            onValue={(checked) => setScopes(checked ? [...scopes, scope] : scopes.filter((one) => one !== scope))}
          />
        ))}
      </fieldset>
      <SelectField
        label={words.days}
        value={days}
        options={DAYS.map((value) => ({ value, label: words.dayChoices[value] }))}
        onValue={setDays}
      />
    </Form>
  );
}
