/** Something that is told once, with a button that copies it. */
import { words } from "words/parts";
import { Button } from "./Button";
import { toast } from "./toasts";

export function Secret({ text }: { text: string }) {
  const copy = () => {
    // Not there on pages without https.
    const board = navigator.clipboard as Clipboard | undefined;
    const copied = board ? board.writeText(text) : Promise.reject(new Error("no clipboard"));
    copied.then(
      () => toast(words.copied),
      () => toast(words.notCopied, "bad"),
    );
  };
  return (
    <div class="secret">
      <code>{text}</code>
      <Button small icon="copy" onClick={copy}>
        {words.copy}
      </Button>
    </div>
  );
}
