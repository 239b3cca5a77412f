/** Faces of this session that came near to somebody, to be settled. Nothing when there are none. */
import { words } from "words/reviews";
import { useEvents } from "../../live";
import { live } from "../../live_events";
import { Badge } from "../../parts/Badge";
import { Section } from "../../parts/Page";
import { useResource } from "../../resource";
import { rest } from "../../rest";
import { Question } from "../../reviews/Question";

export function NearMatches({ sessionId, onSettled }: { sessionId: string; onSettled: () => void }) {
  const open = useResource(
    async () => (await rest.get("/api/v1/reviews", { query: { state: "open", session_id: sessionId, limit: 20 } })).reviews,
    [sessionId, live.epoch.value],
  );
  useEvents(live, ["review.opened", "review.settled"], open.reload);
  const review = open.data?.[0];
  if (!review) return null;
  return (
    <Section title={words.title} actions={<Badge tone="info">{words.waiting(open.data?.length ?? 0)}</Badge>}>
      <Question
        review={review}
        camera={review.camera}
        onSettled={() => {
          open.reload();
          onSettled();
        }}
      />
    </Section>
  );
}
