/** A face that came near to somebody: who was it? Settled with one key. */
import { useRef, useState } from "preact/hooks";
import { words } from "words/reviews";
import { RequestFailed } from "../../api";
import { timeOfDay } from "../../text/format";
import "../../ui/question.css";
import { may } from "../account";
import { Button } from "../parts/Button";
import { toast, toastFailure } from "../parts/toasts";
import { rest, type Shapes } from "../rest";

type Review = Shapes["ReviewBody"];

interface Props {
  review: Review;
  /** What the camera is called. */
  camera: string;
  onSettled: () => void;
}

export function Question({ review, camera, onSettled }: Props) {
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
      toast(candidate ? words.settled(candidate.person.name) : words.settledNobody);
    } catch (error) {
      if (error instanceof RequestFailed && error.status === 409) toast(words.elsewhere);
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
    <div ref={group} class="question" role="group" aria-label={words.lead} tabIndex={-1} onKeyDown={onKey}>
      <p>{words.lead}</p>
      <p class="soft">{words.where(camera, timeOfDay(review.first_seen))}</p>
      <div class="answers">
        {review.candidates.map((candidate, index) => (
          <Button key={candidate.person.id} disabled={busy || !allowed} onClick={() => void settle(candidate)}>
            <kbd aria-hidden="true">{index + 1}</kbd> {candidate.person.name}{" "}
            <span class="soft number distance">{words.distance(candidate.distance.toFixed(2))}</span>
          </Button>
        ))}
        <Button disabled={busy || !allowed} onClick={() => void settle(null)}>
          <kbd aria-hidden="true">0</kbd> {words.nobody}
        </Button>
      </div>
      {allowed && <p class="help">{words.keys}</p>}
    </div>
  );
}
