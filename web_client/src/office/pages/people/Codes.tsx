/** PIN and QR code of a person: made, shown once, printed, taken away. */
import { useEffect, useState } from "preact/hooks";
import { words } from "words/people";
import { ask } from "../../parts/ask";
import { Button } from "../../parts/Button";
import { Dialog } from "../../parts/Dialog";
import { Section } from "../../parts/Page";
import { Note } from "../../parts/states";
import { toast, toastFailure } from "../../parts/toasts";
import { rest, type Shapes } from "../../rest";

type Kind = "pin" | "qr";
type Made = { kind: "pin"; pin: string } | { kind: "qr"; svg: string };

export function Codes({ person }: { person: Shapes["Person"] }) {
  const [made, setMade] = useState<Made | null>(null);
  const path = { person_id: person.id };
  const make = async (kind: Kind) => {
    const what = words.codes.kinds[kind];
    if (!(await ask({ title: words.codes.sureTitle(what), text: words.codes.sureText, yes: words.codes.sureYes }))) return;
    try {
      if (kind === "pin") setMade({ kind, pin: (await rest.post("/api/v1/people/{person_id}/pin", { path })).pin });
      else setMade({ kind, svg: (await rest.post("/api/v1/people/{person_id}/qr", { path })).svg });
    } catch (error) {
      toastFailure(error);
    }
  };
  const take = async (kind: Kind) => {
    const title = words.codes.takeTitle(words.codes.kinds[kind]);
    if (!(await ask({ title, text: words.codes.takeText, yes: words.codes.takeYes, danger: true }))) return;
    try {
      await rest.delete("/api/v1/people/{person_id}/credentials/{kind}", { path: { ...path, kind } });
      toast(words.codes.gone);
    } catch (error) {
      toastFailure(error);
    }
  };
  return (
    <Section title={words.codes.title}>
      <p class="soft">{words.codes.lead}</p>
      <div class="row-actions">
        <Button icon="key" onClick={() => void make("pin")}>
          {words.codes.pin}
        </Button>
        <Button icon="key" onClick={() => void make("qr")}>
          {words.codes.qr}
        </Button>
        <Button look="quiet" onClick={() => void take("pin")}>
          {words.codes.takePin}
        </Button>
        <Button look="quiet" onClick={() => void take("qr")}>
          {words.codes.takeQr}
        </Button>
      </div>
      {made && <Shown made={made} name={person.name} onClose={() => setMade(null)} />}
    </Section>
  );
}

function Shown({ made, name, onClose }: { made: Made; name: string; onClose: () => void }) {
  return (
    <Dialog title={made.kind === "pin" ? words.codes.pinTitle : words.codes.qrTitle} onClose={onClose}>
      <Note tone="warn">{words.codes.once}</Note>
      <div class="code-card">
        <p class="code-name">{name}</p>
        {made.kind === "pin" ? <p class="code-pin">{made.pin}</p> : <Picture svg={made.svg} name={name} />}
      </div>
      <div class="form-actions">
        <Button look="primary" onClick={() => window.print()}>
          {words.codes.print}
        </Button>
      </div>
    </Dialog>
  );
}

/** The server's drawing as a picture: nothing of it becomes part of the page. */
function Picture({ svg, name }: { svg: string; name: string }) {
  const [source, setSource] = useState("");
  useEffect(() => {
    const address = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
    setSource(address);
    return () => URL.revokeObjectURL(address);
  }, [svg]);
  return source === "" ? null : <img class="code-qr" src={source} alt={words.codes.qrPicture(name)} />;
}
