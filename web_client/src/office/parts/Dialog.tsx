/** A dialogue over the page. The browser keeps the focus in it, closes it by Escape and gives the focus back. */
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
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
  useEffect(() => {
    const shown = dialog.current;
    if (typeof shown?.showModal === "function") shown.showModal();
    else shown?.setAttribute("open", "");
    return () => {
      gone.current = true;
      // So that the focus goes back to where it was.
      if (typeof shown?.close === "function") shown.close();
    };
  }, []);
  const closed = () => {
    if (!gone.current) onClose();
  };
  return (
    <dialog ref={dialog} class={`dialog${wide ? " dialog-wide" : ""}`} aria-labelledby={id} onClose={closed}>
      <header class="dialog-head">
        <h2 id={id}>{title}</h2>
        <IconButton name="cancel" label={words.close} onClick={onClose} />
      </header>
      <div class="dialog-body">{children}</div>
    </dialog>
  );
}
