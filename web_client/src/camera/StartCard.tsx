/** Before the browser asks for the camera: why, and what becomes of the pictures. */
import { text } from "../text";
import { Icon } from "../ui/icons";
import type { Paired } from "../wire";
import { Forget } from "./Forget";

interface Props {
  device: Paired;
  notice: string;
  onStart: () => void;
  onForget: () => void;
}

export function StartCard({ device, notice, onStart, onForget }: Props) {
  const words = text.camera.start;
  return (
    <>
      <h1>{words.heading}</h1>
      <p class="lead">{words.lead}</p>
      {notice && (
        <p class="notice" role="status">
          {notice}
        </p>
      )}
      <dl class="device">
        <dt>{words.streamsAs}</dt>
        <dd>
          {device.name} <span class="tag">{device.camera_id}</span>
        </dd>
      </dl>
      <button class="primary" type="button" onClick={onStart}>
        {words.button}
      </button>
      <section class="privacy" aria-labelledby="privacy">
        <h2 id="privacy">
          <Icon name="lock" /> {words.privacyTitle}
        </h2>
        <ul>
          {words.privacy.map((line) => (
            <li key={line}>{line}</li>
          ))}
        </ul>
      </section>
      <Forget onForget={onForget} />
    </>
  );
}
