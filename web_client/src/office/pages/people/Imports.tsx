/** Whole rosters and archives of photographs: what became of each row and picture. */
import { useState } from "preact/hooks";
import { words } from "words/people";
import { words as parts } from "words/parts";
import type { RequestFailed } from "../../../api";
import { Badge, type Tone } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { Dialog } from "../../parts/Dialog";
import { Field, SelectField } from "../../parts/Field";
import { ProgressBar } from "../../parts/progress";
import { Failure, Note } from "../../parts/states";
import { Table } from "../../parts/Table";
import { failureOf } from "../../resource";
import type { Shapes } from "../../rest";
import { upload } from "../../upload";

type Report = Shapes["RosterReport"];
type Outcome = Report["rows"][number]["outcome"];

const TONES: Record<Outcome, Tone> = {
  created: "good", updated: "info", unchanged: "plain", removed: "warn", skipped: "warn", refused: "bad",
};
const STEP = 100;

export function Imports({ onClose }: { onClose: () => void }) {
  const [what, setWhat] = useState<"roster" | "photographs">("roster");
  return (
    <Dialog title={words.imports.title} wide onClose={onClose}>
      <div class="switch" role="group" aria-label={words.imports.title}>
        {(["roster", "photographs"] as const).map((one) => (
          <Button key={one} small look={what === one ? "primary" : "plain"} aria-pressed={what === one} onClick={() => setWhat(one)}>
            {words.imports[one]}
          </Button>
        ))}
      </div>
      {what === "roster" ? <Roster /> : <Photographs />}
      <div class="form-actions">
        <Button onClick={onClose}>{parts.close}</Button>
      </div>
    </Dialog>
  );
}

/** A file on its way: how far it is, and what the server said. */
function useSending<T>(address: string, read: (said: unknown) => T) {
  const [sent, setSent] = useState<number | null>(null);
  const [answer, setAnswer] = useState<T | null>(null);
  const [failure, setFailure] = useState<RequestFailed | null>(null);
  const send = async (file: Blob, query = "") => {
    setSent(0);
    setFailure(null);
    try {
      setAnswer(read(await upload(address + query, file, setSent)));
    } catch (error) {
      setFailure(failureOf(error));
    }
    setSent(null);
  };
  return { sent, answer, failure, send };
}

function Sending({ sent, then }: { sent: number | null; then: string }) {
  if (sent === null) return null;
  const percent = Math.round(100 * sent);
  const label = sent < 1 ? words.imports.sending(percent) : then;
  return (
    <div class="sending">
      {sent < 1 ? <ProgressBar label={label} value={percent} max={100} /> : <progress class="bar" aria-label={label} />}
      <p role="status">{label}</p>
    </div>
  );
}

function FileField({ label, accept, disabled, onFile }: { label: string; accept: string; disabled: boolean; onFile: (file: File) => void }) {
  return (
    <Field label={label}>
      {(tied) => (
        <input
          {...tied}
          type="file"
          accept={accept}
          disabled={disabled}
          onChange={(event) => {
            const file = event.currentTarget.files?.[0];
            if (file) onFile(file);
          }}
        />
      )}
    </Field>
  );
}

function Roster() {
  const { sent, answer, failure, send } = useSending("/api/v1/roster/import", (said) => said as Report);
  const [file, setFile] = useState<File | null>(null);
  return (
    <>
      <p class="soft">{words.imports.rosterLead}</p>
      <FileField
        label={answer ? words.imports.another : words.imports.rosterFile}
        accept=".csv,.xlsx,.zip"
        disabled={sent !== null}
        onFile={(chosen) => {
          setFile(chosen);
          void send(chosen);
        }}
      />
      <Sending sent={sent} then={words.imports.checking} />
      <div role="alert">{failure && <Failure failure={failure} />}</div>
      {answer && sent === null && !failure && (
        <>
          <Note tone={answer.applied ? "good" : "info"} title={answer.applied ? words.imports.applied : words.imports.dryRun}>
            <p class="badges">
              {(Object.keys(TONES) as Outcome[])
                .filter((outcome) => (answer.counts[outcome] ?? 0) > 0)
                .map((outcome) => (
                  <Badge key={outcome} tone={TONES[outcome]}>
                    {answer.counts[outcome]} {words.imports.outcomes[outcome]}
                  </Badge>
                ))}
            </p>
          </Note>
          {answer.warnings.map((warning) => (
            <Note key={warning} tone="warn">
              {warning}
            </Note>
          ))}
          {!answer.applied && file && (
            <div class="form-actions">
              <Button look="primary" icon="check" onClick={() => void send(file, "?apply=true")}>
                {words.imports.apply}
              </Button>
            </div>
          )}
          <Rows rows={answer.rows} />
        </>
      )}
    </>
  );
}

function Rows({ rows }: { rows: Report["rows"] }) {
  const [outcome, setOutcome] = useState<Outcome | "">("");
  const [most, setMost] = useState(STEP);
  const those = outcome === "" ? rows : rows.filter((row) => row.outcome === outcome);
  const there = (Object.keys(TONES) as Outcome[]).filter((one) => rows.some((row) => row.outcome === one));
  return (
    <>
      <div class="filters">
        <SelectField
          label={words.imports.show}
          value={outcome}
          options={[{ value: "", label: words.imports.all }, ...there.map((one) => ({ value: one, label: words.imports.outcomes[one] }))]}
          onValue={setOutcome}
        />
      </div>
      {those.length === 0 ? (
        <p class="help">{words.imports.nothing}</p>
      ) : (
        <Table
          caption={words.imports.rows}
          rows={those.slice(0, most)}
          rowKey={(row) => `${row.file} ${row.row} ${row.kind} ${row.key}`}
          columns={[
            { key: "key", label: words.imports.columns.key, cell: (row) => row.key },
            { key: "kind", label: words.imports.columns.kind, cell: (row) => words.imports.kinds[row.kind] },
            { key: "row", label: words.imports.columns.row, kind: "number", cell: (row) => row.row || "–" },
            { key: "outcome", label: words.imports.columns.outcome, cell: (row) => <Badge tone={TONES[row.outcome]}>{words.imports.outcomes[row.outcome]}</Badge> },
            { key: "reason", label: words.imports.columns.reason, cell: (row) => row.reason || "–" },
          ]}
        />
      )}
      {those.length > most && <Button onClick={() => setMost(most + STEP)}>{words.imports.more(Math.min(STEP, those.length - most))}</Button>}
    </>
  );
}

function Photographs() {
  const { sent, answer, failure, send } = useSending("/api/v1/roster/photographs", (said) => said as Shapes["PhotographReport"]);
  return (
    <>
      <p class="soft">{words.imports.photographsLead}</p>
      <FileField label={words.imports.photographsFile} accept=".zip,application/zip" disabled={sent !== null} onFile={(file) => void send(file)} />
      <Sending sent={sent} then={words.imports.looking} />
      <div role="alert">{failure && <Failure failure={failure} />}</div>
      {answer && sent === null && !failure && (
        <>
          <Note tone={answer.refused > 0 ? "warn" : "good"} title={words.imports.enrolled(answer.enrolled, answer.refused)} />
          <Table
            caption={words.imports.pictures}
            rows={[...answer.photographs].sort((one, other) => Number(one.enrolled) - Number(other.enrolled)).slice(0, 10 * STEP)}
            rowKey={(picture) => picture.file}
            columns={[
              { key: "file", label: words.imports.picturesColumns.file, cell: (picture) => picture.file },
              {
                key: "outcome",
                label: words.imports.picturesColumns.outcome,
                cell: (picture) => <Badge tone={picture.enrolled ? "good" : "bad"}>{picture.enrolled ? words.imports.enrolledOne : words.imports.outcomes.refused}</Badge>,
              },
              { key: "why", label: words.imports.picturesColumns.reason, cell: (picture) => words.upload.why(picture.code) || [picture.detail, picture.hint].filter(Boolean).join("; ") || "–" },
            ]}
          />
        </>
      )}
    </>
  );
}
