/** One person: consent, faces, codes, and what is held on them. */
import { useState } from "preact/hooks";
import { words } from "words/people";
import { day } from "../../../text/format";
import "../../../ui/rows.css";
import "../../../ui/people.css";
import { may } from "../../account";
import { useEvents } from "../../live";
import { live } from "../../live_events";
import type { PageProps } from "../../pages";
import { Badge } from "../../parts/Badge";
import { Button, LinkButton } from "../../parts/Button";
import { Page } from "../../parts/Page";
import { Loaded, Note } from "../../parts/states";
import { useResource } from "../../resource";
import { everything, rest } from "../../rest";
import { Codes } from "./Codes";
import { ConsentPanel } from "./ConsentPanel";
import { DataPanel } from "./DataPanel";
import { FacesPanel } from "./FacesPanel";
import { CONSENT_TONE } from "./tones";
import { PersonForm } from "./PersonForm";

export default function PersonPage({ params }: PageProps) {
  const id = params["person_id"] ?? "";
  const [editing, setEditing] = useState(false);
  const found = useResource(() => rest.get("/api/v1/people/{person_id}", { path: { person_id: id } }), [id, live.epoch.value]);
  const groups = useResource(
    () =>
      everything(
        (cursor) => rest.get("/api/v1/groups", { query: { person_id: id, limit: 200, ...(cursor ? { cursor } : {}) } }),
        (page) => page.groups,
      ),
    [id, live.epoch.value],
  );
  useEvents(live, ["gallery.changed"], (event) => {
    if (event.data["person_id"] === id) found.reload();
  });
  const person = found.data;
  const erased = person !== null && person.consent === "revoked" && person.name === words.erased;
  return (
    <Page
      title={person?.name ?? words.title}
      {...(person
        ? { lead: [person.external_id ? words.person.number(person.external_id) : "", words.person.since(day(person.created_at))].filter(Boolean).join(" · ") }
        : {})}
      actions={
        <>
          <LinkButton href="/people" icon="back">
            {words.person.back}
          </LinkButton>
          {person && !erased && <LinkButton href={`/reports?person=${person.id}`}>{words.person.report}</LinkButton>}
          {person && !erased && may("people") && (
            <Button icon="edit" onClick={() => setEditing(true)}>
              {words.person.edit}
            </Button>
          )}
        </>
      }
    >
      <Loaded of={found} lines={8}>
        {(shown) =>
          erased ? (
            <Note>{words.person.erased}</Note>
          ) : (
            <>
              <p class="badges person-badges">
                <Badge tone={CONSENT_TONE[shown.consent]}>{words.consent[shown.consent]}</Badge>
                {(groups.data ?? []).map((group) => (
                  <a key={group.id} class="badge" href={`/people?group=${group.id}`}>
                    {group.name}
                  </a>
                ))}
                {groups.data?.length === 0 && <span class="soft">{words.person.noGroups}</span>}
              </p>
              <div class="columns">
                <div class="stack">
                  <FacesPanel person={shown} onChange={found.reload} />
                  {may("people") && <Codes person={shown} />}
                </div>
                <div class="stack">
                  <ConsentPanel person={shown} onChange={found.reload} />
                  {may("people") && <DataPanel person={shown} />}
                </div>
              </div>
            </>
          )
        }
      </Loaded>
      {editing && person && (
        <PersonForm
          person={person}
          onClose={() => {
            setEditing(false);
            found.reload();
          }}
        />
      )}
    </Page>
  );
}
