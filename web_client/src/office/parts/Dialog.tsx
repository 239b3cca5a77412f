/** A dialogue over the page. The browser keeps the focus in it, closes it by Escape and gives the focus back. */
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useId, useRef } from "preact/hooks";
import { words } from "words/parts";
import { IconButton } from "./Button";

interface Props {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  wide?: boolean;
}

export function Dialog({ title, onClose, children, wide = false }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const gone = useRef(false);
  const id = useId();
  useLayoutEffect(() => {
    const shown = dialog.current;
    const before = document.activeElement;
    if (typeof shown?.showModal === "function") shown.showModal();
    else shown?.setAttribute("open", "");
    return () => {
      gone.current = true;
      if (typeof shown?.close === "function") shown.close();
      // A dialogue that has left the page gives no focus back.
      if (document.activeElement === document.body && before instanceof HTMLElement) before.focus();
    };
  }, []);
  const closed = () => {
    if (!gone.current) onClose();
  };
  // The browser tells of its own closing a moment later, and what is opened in between would be closed by it.
  const cancelled = (event: Event) => {
    if (event.target !== dialog.current) return; // a file was not chosen: that is told here too
    event.preventDefault();
    closed();
  };
  return (
    <dialog ref={dialog} class={`dialog${wide ? " dialog-wide" : ""}`} aria-labelledby={id} onCancel={cancelled} onClose={closed}>
      <header class="dialog-head">
        <h2 id={id}>{title}</h2>
        <IconButton name="cancel" label={words.close} onClick={onClose} />
      </header>
      <div class="dialog-body">{children}</div>
    </dialog>
  );
}
