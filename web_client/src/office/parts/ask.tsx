/** Asks before something that cannot be undone: `if (await ask({ … })) …`. */
import { signal } from "@preact/signals";
import { words } from "words/parts";
import { Button } from "./Button";
import { Dialog } from "./Dialog";

export interface Question {
  title: string;
  text: string;
  yes: string;
  no?: string;
  danger?: boolean;
}

const asked = signal<{ number: number; question: Question; answer: (yes: boolean) => void } | null>(null);
let questions = 0;

export function ask(question: Question): Promise<boolean> {
  asked.value?.answer(false);
  return new Promise((answer) => (asked.value = { number: ++questions, question, answer }));
}

/** Where the question appears; the shell has one. */
export function Asked() {
  const now = asked.value;
  if (now === null) return null;
  const { question } = now;
  const close = (yes: boolean) => {
    if (asked.value === now) asked.value = null;
    now.answer(yes);
  };
  return (
    <Dialog key={now.number} title={question.title} onClose={() => close(false)}>
      <p>{question.text}</p>
      <div class="form-actions">
        <Button onClick={() => close(false)}>{question.no ?? words.cancel}</Button>
        <Button look={question.danger ? "danger" : "primary"} onClick={() => close(true)}>
          {question.yes}
        </Button>
      </div>
    </Dialog>
  );
}
