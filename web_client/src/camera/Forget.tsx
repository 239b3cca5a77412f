/** Forgetting the pairing, which is asked twice. */
import { useState } from "preact/hooks";
import { text } from "../text";

export function Forget({ onForget }: { onForget: () => void }) {
  const words = text.camera.settings;
  const [asking, setAsking] = useState(false);
  if (!asking) {
    return (
      <button class="quiet" type="button" onClick={() => setAsking(true)}>
        {words.forget}
      </button>
    );
  }
  return (
    <div class="sure" role="group" aria-labelledby="forget-sure">
      <p id="forget-sure">{words.forgetSure}</p>
      <button class="danger" type="button" onClick={onForget}>
        {words.forgetYes}
      </button>
      <button class="quiet" type="button" autofocus onClick={() => setAsking(false)}>
        {words.forgetNo}
      </button>
    </div>
  );
}
