/** What a page shows when there is nothing to show: nothing yet, nothing at all, or something that went wrong. */
import type { ComponentChildren } from "preact";
import { words } from "words/parts";
import type { RequestFailed } from "../../api";
import { Icon, type IconName } from "../icons";
import { inWords } from "../problems";
import type { Resource } from "../resource";
import { Button } from "./Button";

/** Grey bars where lines will be. */
export function Skeleton({ lines = 4 }: { lines?: number }) {
  return (
    <div class="skeleton" role="status">
      <span class="unseen">{words.loading}</span>
      {Array.from({ length: lines }, (_, index) => (
        <span key={index} class="bone" aria-hidden="true" />
      ))}
    </div>
  );
}

interface EmptyProps {
  icon: IconName;
  title: string;
  children?: ComponentChildren;
}

/** Nothing is there: why, and what to do about it. */
export function Empty({ icon, title, children }: EmptyProps) {
  return (
    <div class="empty">
      <span class="empty-sign">
        <Icon name={icon} />
      </span>
      <p class="empty-title">{title}</p>
      {children}
    </div>
  );
}

interface FailureProps {
  failure: RequestFailed;
  words?: string;
  onAgain?: () => void;
}

/** What the server refused or could not do, in its words. */
export function Failure({ failure, words: own, onAgain }: FailureProps) {
  const { detail, hint } = inWords(failure);
  return (
    <div class="note note-bad">
      <Icon name="warning" />
      <div>
        <p class="note-title">{own ?? detail}</p>
        {own === undefined && hint !== "" && <p>{hint}</p>}
        {onAgain && (
          <Button small onClick={onAgain}>
            {words.again}
          </Button>
        )}
      </div>
    </div>
  );
}

type NoteTone = "bad" | "warn" | "good" | "info";

/** A note in the page. */
export function Note({ tone = "info", title, children }: { tone?: NoteTone; title?: string; children?: ComponentChildren }) {
  return (
    <div class={`note note-${tone}`}>
      <Icon name={tone === "good" ? "check" : tone === "info" ? "info" : "warning"} />
      <div>
        {title !== undefined && <p class="note-title">{title}</p>}
        {children}
      </div>
    </div>
  );
}

/** What was read, or why it is not there yet. What was read before stays while it is read anew. */
export function Loaded<T>({ of, lines = 4, children }: { of: Resource<T>; lines?: number; children: (data: T) => ComponentChildren }) {
  return (
    <>
      {of.failure && <Failure failure={of.failure} onAgain={of.reload} />}
      {of.data !== null ? children(of.data) : of.failure === null && <Skeleton lines={lines} />}
    </>
  );
}
