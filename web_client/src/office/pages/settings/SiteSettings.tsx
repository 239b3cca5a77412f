/** What the server is set to; it is changed where it is set. */
import { useState } from "preact/hooks";
import { words as page } from "words/settings";
import { Badge } from "../../parts/Badge";
import { CheckField, TextField } from "../../parts/Field";
import { Section } from "../../parts/Page";
import { Empty, Loaded } from "../../parts/states";
import { Table, type Column } from "../../parts/Table";
import { useResource } from "../../resource";
import { rest, type Shapes } from "../../rest";

type Setting = Shapes["SettingBody"];
const words = page.site;

function shown({ value, secret, given }: Setting): string {
  if (secret) return given ? words.secretSet : words.notSet;
  if (value === null || value === undefined || value === "") return words.notSet;
  return typeof value === "string" ? value : JSON.stringify(value);
}

const COLUMNS: Column<Setting>[] = [
  {
    key: "variable",
    label: words.variable,
    cell: (setting) => (
      <span class="item-text">
        <code>{setting.variable}</code>
        <span class="soft">{setting.description}</span>
      </span>
    ),
  },
  {
    key: "value",
    label: words.value,
    cell: (setting) => (
      <>
        <code>{shown(setting)}</code> {setting.given && <Badge tone="info">{words.given}</Badge>}
      </>
    ),
  },
];

export function SiteSettings() {
  const settings = useResource(async () => (await rest.get("/api/v1/settings")).settings);
  const [wanted, setWanted] = useState("");
  const [onlyGiven, setOnlyGiven] = useState(false);
  const sought = wanted.trim().toLowerCase();
  const fits = ({ variable, description, given }: Setting) =>
    (given || !onlyGiven) && `${variable} ${description}`.toLowerCase().includes(sought);
  return (
    <Section title={words.title} class="site-settings">
      <p class="soft">{words.lead}</p>
      <div class="filters">
        <TextField label={words.search} type="search" value={wanted} onValue={setWanted} />
        <CheckField label={words.onlySet} checked={onlyGiven} onValue={setOnlyGiven} />
      </div>
      <Loaded of={settings}>
        {(all) => {
          const rows = all.filter(fits);
          return rows.length === 0 ? (
            <Empty icon="search" title={words.none} />
          ) : (
            <Table caption={words.caption} columns={COLUMNS} rows={rows} rowKey={(setting) => setting.variable} />
          );
        }}
      </Loaded>
    </Section>
  );
}
