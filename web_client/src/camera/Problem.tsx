/** What stands against the camera, and what to do about it. */
import type { CameraProblem } from "../capture/camera";
import { text } from "../text";
import { Icon } from "../ui/icons";

export function Problem({ problem, onAgain }: { problem: CameraProblem; onAgain?: () => void }) {
  const words = text.camera.problems[problem];
  return (
    <section class="obstacle" role="alert">
      <h1>
        <Icon name="warning" /> {words.heading}
      </h1>
      <p class="lead">{words.lead}</p>
      <ol>
        {words.steps.map((step) => (
          <li key={step}>{step}</li>
        ))}
      </ol>
      {onAgain && (
        <button class="primary" type="button" onClick={onAgain}>
          {text.camera.problems.again}
        </button>
      )}
    </section>
  );
}
