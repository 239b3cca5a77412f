/** Everybody: found by name, number or group. */
import { useState } from "preact/hooks";
import { words } from "words/people";
import "../../../ui/rows.css";
import "../../../ui/people.css";
import { may } from "../../account";
import { live } from "../../live_events";
import { Badge, Initials } from "../../parts/Badge";
import { Button, LinkButton } from "../../parts/Button";
import { SelectField, TextField } from "../../parts/Field";
import { Page } from "../../parts/Page";
import { Pager } from "../../parts/Pager";
import { Empty, Loaded } from "../../parts/states";
import { Table } from "../../parts/Table";
import { usePages, useResource } from "../../resource";
import { everything, rest, type Shapes } from "../../rest";
import { place, setQuery } from "../../router";
import { ConsentTexts } from "./ConsentTexts";
import { Imports } from "./Imports";
import { PersonForm } from "./PersonForm";
import { TYPING_MS, useSettled } from "./search";
import { CONSENT_TONE } from "./tones";

type Person = Shapes["Person"];
type Opened = "add" | "import" | "texts" | null;

const PAGE = 50;

export default function People() {
  const [typed, setTyped] = useState("");
  const text = useSettled(typed.trim(), TYPING_MS);
  const [opened, setOpened] = useState<Opened>(null);
  const group = place.value.query.get("group") ?? "";
  const groups = useResource(
    () => everything((cursor) => rest.get("/api/v1/groups", { query: { limit: 200, ...(cursor ? { cursor } : {}) } }), (page) => page.groups),
    [live.epoch.value],
  );
  const people = usePages(
    (cursor) =>
      rest.post("/api/v1/people/search", {
        body: { text, group_id: group === "" ? null : group, limit: PAGE, cursor: cursor ?? null },
      }),
    [text, group, live.epoch.value],
  );
  const close = () => {
    setOpened(null);
    people.reload();
    groups.reload();
  };
  const filtered = text !== "" || group !== "";
  return (
    <Page
      title={words.title}
      lead={words.lead}
      actions={
        <>
          {may("people") && <Button onClick={() => setOpened("texts")}>{words.consentText}</Button>}
          {may("roster") && (
            <LinkButton href="/api/v1/roster/export" icon="download" download>
              {words.exported}
            </LinkButton>
          )}
          {may("roster") && may("people") && (
            <Button icon="upload" onClick={() => setOpened("import")}>
              {words.bulk}
            </Button>
          )}
          {may("people") && (
            <Button look="primary" icon="add" onClick={() => setOpened("add")}>
              {words.add}
            </Button>
          )}
        </>
      }
    >
      <div class="panel">
        <div class="filters" role="search">
          <TextField label={words.search} type="search" value={typed} onValue={setTyped} maxLength={200} autocomplete="off" />
          <SelectField
            label={words.group}
            value={group}
            options={[
              { value: "", label: words.allGroups },
              ...(groups.data ?? []).map(({ id, name }) => ({ value: id, label: name })),
            ]}
            onValue={(value) => setQuery({ group: value })}
          />
        </div>
        <Loaded of={people} lines={8}>
          {({ people: found, next_cursor }) =>
            found.length === 0 && people.number === 1 ? (
              <Empty icon="people" title={filtered ? words.nobody : words.none}>
                {!filtered && may("people") && (
                  <Button look="primary" icon="add" onClick={() => setOpened("add")}>
                    {words.add}
                  </Button>
                )}
              </Empty>
            ) : (
              <>
                <p class="help" role="status">
                  {filtered ? words.found(found.length, Boolean(next_cursor)) : ""}
                </p>
                <List people={found} />
                <Pager of={people} />
              </>
            )
          }
        </Loaded>
      </div>
      {opened === "add" && <PersonForm onClose={close} />}
      {opened === "import" && <Imports onClose={close} />}
      {opened === "texts" && <ConsentTexts onClose={close} />}
    </Page>
  );
}

function List({ people }: { people: readonly Person[] }) {
  return (
    <Table
      caption={words.list}
      rows={people}
      rowKey={(person) => person.id}
      columns={[
        {
          key: "name",
          label: words.columns.name,
          cell: (person) => (
            <a class="who" href={`/people/${person.id}`}>
              <Initials name={person.name} />
              <span>{person.name}</span>
            </a>
          ),
        },
        { key: "number", label: words.columns.number, cell: (person) => person.external_id ?? "–" },
        {
          key: "consent",
          label: words.columns.consent,
          cell: ({ consent }) => <Badge tone={CONSENT_TONE[consent]}>{words.consent[consent]}</Badge>,
        },
        {
          key: "faces",
          label: words.columns.faces,
          kind: "number",
          cell: (person) => (person.templates > 0 ? person.templates : <span class="soft">{words.noFaces}</span>),
        },
      ]}
    />
  );
}
