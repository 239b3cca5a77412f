/** Pairing, with a code that came by QR or is typed. */
import { useEffect, useRef, useState } from "preact/hooks";
import { pair, RequestFailed } from "../api";
import { isWholeCode, shownCode } from "../pairing";
import { text } from "../text";
import { Icon } from "../ui/icons";
import type { Paired } from "../wire";

interface Props {
  code: string | null;
  name: string;
  notice: string;
  onPaired: (device: Paired) => void;
  onCancel?: () => void;
}

function wordsFor(error: unknown): string {
  const words = text.camera.pair;
  if (!(error instanceof RequestFailed)) return words.failed;
  if (error.code === "pairing_refused") return words.refused;
  if (error.status === 429) return words.tooOften;
  if (error.status === 0 || error.status === 503) return words.away;
  return error.message ? `${words.failed}: ${error.message}` : words.failed;
}

export function PairForm({ code, name, notice, onPaired, onCancel }: Props) {
  const words = text.camera.pair;
  const [typed, setTyped] = useState(code ?? "");
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const alive = useRef(true);

  const send = async (wanted: string) => {
    if (!isWholeCode(wanted)) {
      setProblem(words.tooShort);
      field.current?.focus();
      return;
    }
    setBusy(true);
    setProblem("");
    try {
      const device = await pair(shownCode(wanted), name);
      if (alive.current) onPaired(device);
    } catch (error) {
      if (!alive.current) return;
      setProblem(wordsFor(error));
      setBusy(false);
    }
  };

  useEffect(() => {
    if (code !== null) void send(code);
    return () => {
      alive.current = false;
    };
  }, []);

  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        if (!busy) void send(typed);
      }}
    >
      <h1>{words.heading}</h1>
      <p class="lead">{words.lead}</p>
      {notice && (
        <p class="notice" role="status">
          {notice}
        </p>
      )}
      <label for="code">{words.code}</label>
      <input
        id="code"
        ref={field}
        class="code"
        value={typed}
        onInput={(event) => setTyped(shownCode(event.currentTarget.value))}
        autocomplete="off"
        autocapitalize="characters"
        spellcheck={false}
        placeholder="0000-0000"
        aria-describedby={problem ? "code-problem code-help" : "code-help"}
        aria-invalid={problem !== ""}
      />
      <p id="code-problem" class="problem" role="alert">
        {problem && (
          <>
            <Icon name="warning" /> {problem}
          </>
        )}
      </p>
      <p id="code-help" class="help">
        {words.codeHelp}
      </p>
      <button class="primary" type="submit" aria-disabled={busy}>
        {busy ? words.busy : words.submit}
      </button>
      {onCancel && (
        <button class="quiet" type="button" onClick={onCancel}>
          {text.camera.settings.forgetNo}
        </button>
      )}
    </form>
  );
}
