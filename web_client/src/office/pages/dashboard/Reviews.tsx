/** Faces that came near to somebody: settled with one key. */
import { useRef, useState } from "preact/hooks";
import { words } from "words/dashboard";
import { RequestFailed } from "../../../api";
import { timeOfDay } from "../../../text/format";
import { may } from "../../account";
import { Badge } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { Section } from "../../parts/Page";
import { Loaded } from "../../parts/states";
import { toast, toastFailure } from "../../parts/toasts";
import type { Resource } from "../../resource";
import { rest, type Shapes } from "../../rest";

type Review = Shapes["ReviewBody"];

interface Props {
  reviews: Resource<Shapes["Reviews"]>;
  cameras: readonly Shapes["CameraBody"][];
}

export function Reviews({ reviews, cameras }: Props) {
  const nameOf = (id: string) => cameras.find((camera) => camera.id === id)?.name || id;
  const waiting = reviews.data?.reviews.length ?? 0;
  return (
    <Section
      title={words.reviews.title}
      actions={waiting > 0 && <Badge tone="info">{words.reviews.waiting(waiting)}</Badge>}
    >
      <Loaded of={reviews} lines={2}>
        {({ reviews: open }) =>
          open[0] ? <Question review={open[0]} camera={nameOf(open[0].camera)} onSettled={reviews.reload} /> : <p class="help">{words.reviews.none}</p>
        }
      </Loaded>
    </Section>
  );
}

function Question({ review, camera, onSettled }: { review: Review; camera: string; onSettled: () => void }) {
  const [busy, setBusy] = useState(false);
  const group = useRef<HTMLDivElement>(null);
  const allowed = may("punch");
  const settle = async (candidate: Review["candidates"][number] | null) => {
    if (busy || !allowed) return;
    setBusy(true);
    try {
      await rest.post("/api/v1/reviews/{review_id}", {
        path: { review_id: review.id },
        body: { person_id: candidate?.person.id ?? null },
      });
      toast(candidate ? words.reviews.settled(candidate.person.name) : words.reviews.settledNobody);
    } catch (error) {
      if (error instanceof RequestFailed && error.status === 409) toast(words.reviews.elsewhere);
      else toastFailure(error);
    }
    setBusy(false);
    onSettled();
    // The next question takes the keys at once.
    group.current?.focus();
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const number = Number(event.key);
    if (event.key === "0") void settle(null);
    else if (Number.isInteger(number) && review.candidates[number - 1]) void settle(review.candidates[number - 1] ?? null);
    else return;
    event.preventDefault();
  };
  return (
    <div ref={group} class="question" role="group" aria-label={words.reviews.lead} tabIndex={-1} onKeyDown={onKey}>
      <p>{words.reviews.lead}</p>
      <p class="soft">{words.reviews.where(camera, timeOfDay(review.first_seen))}</p>
      <div class="answers">
        {review.candidates.map((candidate, index) => (
          <Button key={candidate.person.id} disabled={busy || !allowed} onClick={() => void settle(candidate)}>
            <kbd aria-hidden="true">{index + 1}</kbd> {candidate.person.name}{" "}
            <span class="soft number distance">{words.reviews.distance(candidate.distance.toFixed(2))}</span>
          </Button>
        ))}
        <Button disabled={busy || !allowed} onClick={() => void settle(null)}>
          <kbd aria-hidden="true">0</kbd> {words.reviews.nobody}
        </Button>
      </div>
      {allowed && <p class="help">{words.reviews.keys}</p>}
    </div>
  );
}
