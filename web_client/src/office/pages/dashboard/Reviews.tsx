/** Faces that came near to somebody, one after the other. */
import { words } from "words/reviews";
import { Badge } from "../../parts/Badge";
import { Section } from "../../parts/Page";
import { Loaded } from "../../parts/states";
import type { Resource } from "../../resource";
import type { Shapes } from "../../rest";
import { Question } from "../../reviews/Question";

interface Props {
  reviews: Resource<Shapes["Reviews"]>;
  cameras: readonly Shapes["CameraBody"][];
}

export function Reviews({ reviews, cameras }: Props) {
  const nameOf = (id: string) => cameras.find((camera) => camera.id === id)?.name || id;
  const waiting = reviews.data?.reviews.length ?? 0;
  return (
    <Section
      title={words.title}
      actions={waiting > 0 && <Badge tone="info">{words.waiting(waiting)}</Badge>}
    >
      <Loaded of={reviews} lines={2}>
        {({ reviews: open }) =>
          open[0] ? <Question review={open[0]} camera={nameOf(open[0].camera)} onSettled={reviews.reload} /> : <p class="help">{words.none}</p>
        }
      </Loaded>
    </Section>
  );
}
