/** The enrolled faces of a person, and the ways to enrol another. */
import { useState } from "preact/hooks";
import { words } from "words/people";
import { day } from "../../../text/format";
import { may } from "../../account";
import { ask } from "../../parts/ask";
import { Button, LinkButton } from "../../parts/Button";
import { Section } from "../../parts/Page";
import { ProgressBar } from "../../parts/progress";
import { Empty, Loaded, Note } from "../../parts/states";
import { Table } from "../../parts/Table";
import { toast, toastFailure } from "../../parts/toasts";
import { useResource } from "../../resource";
import { rest, type Shapes } from "../../rest";
import { likenesses, type Likeness, type Outcome } from "./enrolling";
import { Uploads } from "./Uploads";
import { Webcam } from "./Webcam";

interface Props {
  person: Shapes["Person"];
  onChange: () => void;
}

export function FacesPanel({ person, onChange }: Props) {
  const [way, setWay] = useState<"camera" | "upload" | null>(null);
  const [alike, setAlike] = useState<readonly Likeness[]>([]);
  const faces = useResource(
    async () => (await rest.get("/api/v1/people/{person_id}/templates", { path: { person_id: person.id } })).templates,
    [person.id, person.templates],
  );
  const allowed = may("people") && person.consent === "granted";
  const done = (outcomes: readonly Outcome[]) => {
    setWay(null);
    const found = likenesses(outcomes);
    if (found.length > 0) setAlike(found);
    onChange();
    faces.reload();
  };
  const remove = async (id: string) => {
    if (!(await ask({ title: words.faces.removeTitle, text: words.faces.removeText, yes: words.faces.remove, danger: true }))) return;
    try {
      await rest.delete("/api/v1/people/{person_id}/templates/{template_id}", { path: { person_id: person.id, template_id: id } });
      toast(words.faces.removed);
    } catch (error) {
      toastFailure(error);
    }
    onChange();
    faces.reload();
  };
  return (
    <Section title={words.faces.title}>
      <p class="soft">{person.consent === "granted" ? words.faces.lead : words.faces.needsConsent}</p>
      {allowed && (
        <div class="row-actions">
          <Button look="primary" icon="camera" onClick={() => setWay("camera")}>
            {words.faces.camera}
          </Button>
          <Button icon="upload" onClick={() => setWay("upload")}>
            {words.faces.upload}
          </Button>
        </div>
      )}
      {/* Whom it looked like is of no use once the faces are gone. */}
      {(person.templates === 0 ? [] : alike).map((like) => (
        <Alike key={like.person.id} like={like} />
      ))}
      <Loaded of={faces} lines={3}>
        {(rows) =>
          rows.length === 0 ? (
            person.consent === "granted" && <Empty icon="person" title={words.faces.none} />
          ) : (
            <Table
              caption={words.faces.list}
              rows={rows}
              rowKey={(face) => face.id}
              columns={[
                { key: "when", label: words.faces.columns.when, cell: (face) => day(face.created_at) },
                { key: "how", label: words.faces.columns.how, cell: (face) => words.faces.from(face.source) },
                { key: "quality", label: words.faces.columns.quality, cell: (face) => <Quality share={face.quality} /> },
                ...(may("people")
                  ? [
                      {
                        key: "remove",
                        label: words.faces.columns.remove,
                        kind: "actions" as const,
                        cell: (face: Shapes["TemplateBody"]) => (
                          <Button small look="quiet" icon="remove" onClick={() => void remove(face.id)}>
                            {words.faces.remove}
                          </Button>
                        ),
                      },
                    ]
                  : []),
              ]}
            />
          )
        }
      </Loaded>
      {way === "upload" && <Uploads person={person} onClose={done} />}
      {way === "camera" && <Webcam person={person} onClose={done} />}
    </Section>
  );
}

function Quality({ share }: { share: number }) {
  const percent = Math.round(100 * share);
  return (
    <span class="quality">
      <ProgressBar label={words.faces.quality(percent)} value={percent} max={100} tone={percent < 35 ? "warn" : "good"} />
    </span>
  );
}

/** A warning: somebody else looks like this. */
export function Alike({ like }: { like: Likeness }) {
  const { name, id } = like.person;
  return (
    <Note tone="warn" title={like.same ? words.like.same(name) : words.like.near(name)}>
      <p>{like.same ? words.like.sameText : words.like.nearText}</p>
      <LinkButton small href={`/people/${id}`}>
        {words.like.open(name)}
      </LinkButton>
    </Note>
  );
}
