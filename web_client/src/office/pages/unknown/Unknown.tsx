/** Faces that nobody has named: who they are, or that they are to be left alone. */
import { useState } from "preact/hooks";
import { words } from "words/unknown";
import { ago } from "../../../text/format";
import "../../../ui/rows.css";
import "../../../ui/unknown.css";
import { may } from "../../account";
import { Icon } from "../../icons";
import { live } from "../../live_events";
import { ask } from "../../parts/ask";
import { Button } from "../../parts/Button";
import { Dialog } from "../../parts/Dialog";
import { CheckField, TextField } from "../../parts/Field";
import { Form } from "../../parts/Form";
import { Page } from "../../parts/Page";
import { Pager } from "../../parts/Pager";
import { Empty, Loaded, Note } from "../../parts/states";
import { toast, toastFailure } from "../../parts/toasts";
import { usePages, useResource } from "../../resource";
import { rest, type Shapes } from "../../rest";
import { place, setQuery } from "../../router";
import { PersonSearch } from "../people/PersonSearch";

type Face = Shapes["UnknownFaceBody"];

const PAGE = 24;
const KEEP_DAYS = "ROLLCALL_UNKNOWN_FACES__KEEP_DAYS";
const CROPS = "ROLLCALL_UNKNOWN_FACES__CROPS";

export default function Unknown() {
  const ignored = place.value.query.get("ignored") === "true";
  const [naming, setNaming] = useState<{ face: Face; how: "assign" | "new" } | null>(null);
  const epoch = live.epoch.value;
  // Null for those who may not read settings: they see the list alone.
  const keepDays = useResource(async () => {
    if (!may("admin")) return null;
    const { settings } = await rest.get("/api/v1/settings");
    return Number(settings.find(({ variable }) => variable === KEEP_DAYS)?.value ?? 0);
  }, [epoch]);
  const faces = usePages(
    (cursor) => rest.get("/api/v1/unknown-faces", { query: { ignored, limit: PAGE, ...(cursor ? { cursor } : {}) } }),
    [ignored, epoch],
  );
  const off = keepDays.data === 0;
  const then = async (work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      toastFailure(error);
    }
    faces.reload();
  };
  const ignore = async (face: Face) => {
    if (!(await ask({ title: words.ignoreTitle, text: words.ignoreText, yes: words.ignoreYes }))) return;
    await then(async () => {
      await rest.post("/api/v1/unknown-faces/{face_id}/ignore", { path: { face_id: face.id } });
      toast(words.ignoredNow);
    });
  };
  const discard = async (face: Face) => {
    if (!(await ask({ title: words.discardTitle, text: words.discardText, yes: words.discardYes, danger: true }))) return;
    await then(async () => {
      await rest.delete("/api/v1/unknown-faces/{face_id}", { path: { face_id: face.id } });
      toast(words.discarded);
    });
  };
  const close = () => {
    setNaming(null);
    faces.reload();
  };
  return (
    <Page title={words.title} lead={words.lead}>
      {off && (
        <Note title={words.off}>
          <p>{words.offLead}</p>
          <pre class="variables">{`${KEEP_DAYS}=7\n${CROPS}=true`}</pre>
          <p>{words.offPrivacy}</p>
        </Note>
      )}
      <div class="panel">
        <div class="switch" role="group" aria-label={words.which}>
          <Button small look={ignored ? "plain" : "primary"} aria-pressed={!ignored} onClick={() => setQuery({ ignored: "" })}>
            {words.waiting}
          </Button>
          <Button small look={ignored ? "primary" : "plain"} aria-pressed={ignored} onClick={() => setQuery({ ignored: "true" })}>
            {words.ignored}
          </Button>
        </div>
        {!off && keepDays.data !== null && !ignored && <p class="help">{words.kept(keepDays.data)}</p>}
        <Loaded of={faces} lines={6}>
          {({ unknown_faces: found }) =>
            found.length === 0 ? (
              <Empty icon="unknown" title={ignored ? words.noneIgnored : off ? words.off : words.none} />
            ) : (
              <>
                <ul class="faces">
                  {found.map((face) => (
                    <li key={face.id}>
                      <Card face={face} onName={(how) => setNaming({ face, how })} onIgnore={() => void ignore(face)} onDiscard={() => void discard(face)} />
                    </li>
                  ))}
                </ul>
                <Pager of={faces} />
              </>
            )
          }
        </Loaded>
      </div>
      {naming?.how === "assign" && <Assign face={naming.face} onClose={close} />}
      {naming?.how === "new" && <NewPerson face={naming.face} onClose={close} />}
    </Page>
  );
}

interface CardProps {
  face: Face;
  onName: (how: "assign" | "new") => void;
  onIgnore: () => void;
  onDiscard: () => void;
}

function Card({ face, onName, onIgnore, onDiscard }: CardProps) {
  return (
    <article class="face-card">
      <Crop face={face} />
      <div class="face-text">
        <p class="note-title">{words.seen(face.seen)}</p>
        <p class="soft">{words.last(ago(face.last_seen), face.cameras.join(", "))}</p>
        <p class="soft">{words.quality(Math.round(100 * face.quality))}</p>
      </div>
      <div class="row-actions">
        {!face.ignored && (
          <>
            <Button small look="primary" onClick={() => onName("assign")}>
              {words.assign}
            </Button>
            <Button small onClick={() => onName("new")}>
              {words.add}
            </Button>
            <Button small look="quiet" onClick={onIgnore}>
              {words.ignore}
            </Button>
          </>
        )}
        <Button small look="quiet" onClick={onDiscard}>
          {words.discard}
        </Button>
      </div>
    </article>
  );
}

function Crop({ face }: { face: Face }) {
  if (!face.has_crop) {
    return (
      <span class="crop crop-none" title={words.noCrop}>
        <Icon name="unknown" />
      </span>
    );
  }
  return <img class="crop" src={`/api/v1/unknown-faces/${face.id}/crop`} alt={words.crop} width={150} height={150} loading="lazy" />;
}

function Assign({ face, onClose }: { face: Face; onClose: () => void }) {
  return (
    <Dialog title={words.assignTitle} onClose={onClose}>
      <div class="naming">
        <Crop face={face} />
        <p>{words.assignLead}</p>
      </div>
      <PersonSearch
        label={words.search}
        action={words.choose}
        disabled={(person) => (person.consent === "granted" ? null : words.noConsent)}
        onChoose={async (person) => {
          try {
            await rest.post("/api/v1/unknown-faces/{face_id}/assign", { path: { face_id: face.id }, body: { person_id: person.id } });
            toast(words.assigned(person.name));
            onClose();
          } catch (error) {
            toastFailure(error);
          }
        }}
      />
    </Dialog>
  );
}

function NewPerson({ face, onClose }: { face: Face; onClose: () => void }) {
  const [name, setName] = useState("");
  const [number, setNumber] = useState("");
  const [agreed, setAgreed] = useState(false);
  const add = async () => {
    const external_id = number.trim() === "" ? null : number.trim();
    await rest.post("/api/v1/unknown-faces/{face_id}/person", { path: { face_id: face.id }, body: { name, external_id, consent: agreed } });
    toast(words.added(name.trim()));
    onClose();
  };
  return (
    <Dialog title={words.newTitle} onClose={onClose}>
      <div class="naming">
        <Crop face={face} />
      </div>
      <Form submit={words.submit} onSubmit={add} disabled={!agreed}>
        <TextField label={words.name} value={name} onValue={setName} required maxLength={200} autocomplete="off" />
        <TextField label={words.number} value={number} onValue={setNumber} optional maxLength={200} autocomplete="off" />
        <CheckField label={words.agreed} help={words.agreedHelp} checked={agreed} onValue={setAgreed} />
      </Form>
    </Dialog>
  );
}
