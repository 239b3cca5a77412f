/** A form that sends something and says what came of it. */
import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import type { RequestFailed } from "../../api";
import { failureOf } from "../resource";
import { Button } from "./Button";
import { Failure } from "./states";

interface Props {
  submit: string;
  /** Whether it can be sent. If not, the fields say why, and the first of them gets the focus. */
  ready?: () => boolean;
  /** What it does; what it throws is shown above the button. */
  onSubmit: () => Promise<void>;
  children: ComponentChildren;
  danger?: boolean;
  disabled?: boolean;
  /** Buttons beside that which sends it. */
  beside?: ComponentChildren;
  /** Its own words for some failures. */
  explain?: (failure: RequestFailed) => string | null;
}

export function Form({ submit, ready, onSubmit, children, danger = false, disabled = false, beside, explain }: Props) {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<RequestFailed | null>(null);
  const form = useRef<HTMLFormElement>(null);
  const send = async () => {
    setBusy(true);
    setFailure(null);
    try {
      await onSubmit();
    } catch (error) {
      setFailure(failureOf(error));
    } finally {
      setBusy(false);
    }
  };
  const submitted = (event: Event) => {
    event.preventDefault();
    if (busy) return;
    if (ready === undefined || ready()) void send();
    // The fields say what is wrong once they are drawn anew.
    else setTimeout(() => form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus());
  };
  const own = failure && explain ? explain(failure) : null;
  return (
    <form ref={form} class="form" noValidate={ready !== undefined} onSubmit={submitted}>
      {children}
      <div role="alert">{failure && <Failure failure={failure} {...(own ? { words: own } : {})} />}</div>
      <div class="form-actions">
        {beside}
        <Button type="submit" look={danger ? "danger" : "primary"} busy={busy} disabled={disabled}>
          {submit}
        </Button>
      </div>
    </form>
  );
}
