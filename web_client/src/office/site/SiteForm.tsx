/** What the site is called and where it is: in the first run, and among the settings. */
import { useState } from "preact/hooks";
import { words } from "words/site";
import { SelectField, TextField } from "../parts/Field";
import { Form } from "../parts/Form";
import { Button } from "../parts/Button";
import { Loaded, Note } from "../parts/states";
import { useResource } from "../resource";
import { rest, type Shapes } from "../rest";
import { zonesWith } from "./zones";

type Site = Shapes["SiteBody"];

interface Props {
  submit: string;
  onSaved: (site: Site) => void;
  /** In the first run the browser's time zone is proposed where none has been set. */
  first?: boolean;
}

export function SiteForm(props: Props) {
  const site = useResource(() => rest.get("/api/v1/site"));
  return <Loaded of={site}>{(found) => <Fields key={`${found.name} ${found.time_zone}`} site={found} {...props} />}</Loaded>;
}

function Fields({ site, submit, onSaved, first = false }: Props & { site: Site }) {
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const [name, setName] = useState(site.name);
  const [zone, setZone] = useState(first && !site.time_zone_locked && site.time_zone === "UTC" ? here : site.time_zone);
  const [asked, setAsked] = useState(false);
  const missing = name.trim() === "";
  const save = async () => {
    const body = {
      ...(site.name_locked || name === site.name ? {} : { name: name.trim() }),
      ...(site.time_zone_locked || zone === site.time_zone ? {} : { time_zone: zone }),
    };
    onSaved(Object.keys(body).length === 0 ? site : await rest.patch("/api/v1/site", { body }));
  };
  const ready = () => {
    setAsked(true);
    return !missing;
  };
  return (
    <Form submit={submit} ready={ready} onSubmit={save}>
      <TextField
        label={words.name}
        value={name}
        onValue={setName}
        problem={asked && missing ? words.nameMissing : undefined}
        help={site.name_locked ? words.locked("ROLLCALL_SITE__NAME") : words.nameHelp}
        disabled={site.name_locked}
        maxLength={200}
        autocomplete="organization"
        required
      />
      <SelectField
        label={words.zone}
        value={zone}
        options={zonesWith(site.time_zone, here)}
        onValue={setZone}
        disabled={site.time_zone_locked}
        help={site.time_zone_locked ? words.locked("ROLLCALL_SITE__TIME_ZONE") : words.zoneHelp}
      />
      {zone !== here && (
        <Note tone="warn">
          <p>{words.zoneHere(here)}</p>
          {!site.time_zone_locked && (
            <Button small onClick={() => setZone(here)}>
              {words.useHere(here)}
            </Button>
          )}
        </Note>
      )}
    </Form>
  );
}
