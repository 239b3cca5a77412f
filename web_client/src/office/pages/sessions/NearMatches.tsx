/** Faces of this session that came near to somebody, to be settled. Nothing when there are none. */
import { useRef, useState } from "preact/hooks";
import { words } from "words/sessions";
import { timeOfDay } from "../../../text/format";
import { may } from "../../account";
import { useEvents } from "../../live";
import { live } from "../../live_events";
import { Button } from "../../parts/Button";
import { Section } from "../../parts/Page";
import { toast, toastFailure } from "../../parts/toasts";
import { useResource } from "../../resource";
import { rest, type Shapes } from "../../rest";

type Candidate = Shapes["ReviewBody"]["candidates"][number];

export function NearMatches({ sessionId, onSettled }: { sessionId: string; onSettled: () => void }) {
  const [busy, setBusy] = useState(false);
  const group = useRef<HTMLDivElement>(null);
  const open = useResource(
    async () => (await rest.get("/api/v1/reviews", { query: { state: "open", session_id: sessionId, limit: 20 } })).reviews,
    [sessionId, live.epoch.value],
  );
  useEvents(live, ["review.opened", "review.settled"], open.reload);
  const review = open.data?.[0];
  if (!review) return null;
  const allowed = may("punch");
  const settle = async (candidate: Candidate | null) => {
    if (busy || !allowed) return;
    setBusy(true);
    try {
      await rest.post("/api/v1/reviews/{review_id}", { path: { review_id: review.id }, body: { person_id: candidate?.person.id ?? null } });
      toast(candidate ? words.sheet.settled(candidate.person.name) : words.sheet.settledNobody);
    } catch (error) {
      toastFailure(error);
    }
    setBusy(false);
    open.reload();
    onSettled();
    group.current?.focus();
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const candidate = review.candidates[Number(event.key) - 1];
    if (event.key === "0") void settle(null);
    else if (candidate) void settle(candidate);
    else return;
    event.preventDefault();
  };
  return (
    <Section title={words.sheet.reviews}>
      <div ref={group} class="near" role="group" aria-label={words.sheet.reviewsLead} tabIndex={-1} onKeyDown={onKey}>
        <p>{words.sheet.reviewsLead}</p>
        <p class="soft">{words.sheet.reviewWhen(review.camera, timeOfDay(review.first_seen))}</p>
        {review.candidates.map((candidate, index) => (
          <Button key={candidate.person.id} disabled={busy || !allowed} onClick={() => void settle(candidate)}>
            <kbd aria-hidden="true">{index + 1}</kbd> {candidate.person.name}{" "}
            <span class="soft">{words.sheet.distance(candidate.distance.toFixed(2))}</span>
          </Button>
        ))}
        <Button disabled={busy || !allowed} onClick={() => void settle(null)}>
          <kbd aria-hidden="true">0</kbd> {words.sheet.reviewsNobody}
        </Button>
        {allowed && <p class="help">{words.sheet.reviewKeys}</p>}
      </div>
    </Section>
  );
}
