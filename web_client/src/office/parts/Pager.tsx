/** The ways to the neighbours of a page of a list. Nothing when there is only one. */
import { words } from "words/parts";
import type { Paged } from "../resource";
import { Button } from "./Button";

export function Pager({ of }: { of: Pick<Paged<unknown>, "number" | "previous" | "next"> }) {
  const { number, previous, next } = of;
  if (!previous && !next) return null;
  return (
    <nav class="pager" aria-label={words.pages}>
      <Button small icon="back" disabled={!previous} onClick={() => previous?.()}>
        {words.previous}
      </Button>
      <span aria-live="polite">{words.pageNumber(number)}</span>
      <Button small disabled={!next} onClick={() => next?.()}>
        {words.next}
      </Button>
    </nav>
  );
}
