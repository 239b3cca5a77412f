/** Marking somebody who is here without being expected. */
import { useState } from "preact/hooks";
import { words } from "words/sessions";
import { Section } from "../../parts/Page";
import { PersonSearch } from "../people/PersonSearch";

type Somebody = { id: string; name: string };

export function MarkSomebody({ onMark }: { onMark: (person: Somebody) => Promise<boolean> }) {
  const [times, setTimes] = useState(0);
  return (
    <Section title={words.sheet.add}>
      <p class="soft">{words.sheet.addLead}</p>
      <PersonSearch
        key={times}
        label={words.sheet.addSearch}
        action={words.sheet.mark}
        onChoose={async ({ id, name }) => {
          if (await onMark({ id, name })) setTimes(times + 1);
        }}
      />
    </Section>
  );
}
