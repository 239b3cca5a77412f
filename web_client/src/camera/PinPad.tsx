/** The way for those who are not recognised, or do not want to be: a PIN, on keys that fingers find. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { RequestFailed } from "../api";
import { text } from "../text";
import { Icon } from "../ui/icons";
import { DIGITS_MAX, DIGITS_MIN, greetingOf, punch } from "./pin";
import type { Station } from "./station";

interface Props {
  station: Station;
  onClose: () => void;
}

// Whoever goes away in the middle leaves nothing for the next one.
const FORGET_MS = 20_000;
const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];

function reason(error: unknown): string {
  const words = text.camera.kiosk.pin;
  if (!(error instanceof RequestFailed) || error.status === 0) return words.away;
  if (error.code === "credential_unknown") return words.unknown;
  return error.code === "too_many_attempts" ? words.tooMany : error.message;
}

export function PinPad({ station, onClose }: Props) {
  const words = text.camera.kiosk.pin;
  const [digits, setDigits] = useState("");
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState("");
  const field = useRef<HTMLInputElement>(null);

  useLayoutEffect(() => field.current?.focus(), []);
  useEffect(() => {
    const timer = setTimeout(onClose, FORGET_MS);
    return () => clearTimeout(timer);
  }, [digits, busy, failure]);

  const type = (more: string) => {
    setFailure("");
    setDigits((before) => (before + more.replace(/\D/g, "")).slice(0, DIGITS_MAX));
  };
  const send = async () => {
    if (busy || digits.length < DIGITS_MIN) return;
    setBusy(true);
    try {
      station.greet(greetingOf(await punch(station.device, digits), new Date()));
      onClose();
    } catch (error) {
      setDigits("");
      setFailure(reason(error));
      setBusy(false);
      field.current?.focus();
    }
  };

  return (
    <form
      class="pin-pad"
      aria-label={words.field}
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <label class="title" for="pin">
        {words.title}
      </label>
      <input
        id="pin"
        ref={field}
        type="password"
        // The keys below are there already; a keyboard over them would hide them.
        inputMode="none"
        autocomplete="off"
        value={digits}
        readOnly={busy}
        onInput={(event) => {
          setDigits("");
          type(event.currentTarget.value);
        }}
      />
      <p class="detail" role="status">
        {busy ? words.busy : failure}
      </p>
      <div class="keys" role="group" aria-label={words.keys}>
        {KEYS.map((key) => (
          <button key={key} type="button" onClick={() => type(key)}>
            {key}
          </button>
        ))}
        <button type="button" aria-label={words.back} onClick={() => setDigits(digits.slice(0, -1))}>
          <Icon name="back" />
        </button>
        <button type="button" onClick={() => type("0")}>
          0
        </button>
        <button type="submit" class="ok" disabled={busy || digits.length < DIGITS_MIN}>
          {words.done}
        </button>
      </div>
      <button type="button" class="other-way" onClick={onClose}>
        {words.close}
      </button>
    </form>
  );
}
