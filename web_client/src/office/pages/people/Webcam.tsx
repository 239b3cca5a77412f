/** Enrolling before a camera: it says what to do, and takes a picture of each angle by itself. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { words } from "words/people";
import { words as parts } from "words/parts";
import { obstacle } from "../../../capture/camera";
import { Viewfinder } from "../../../capture/viewfinder";
import { text } from "../../../text";
import { Icon } from "../../icons";
import { Button } from "../../parts/Button";
import { Dialog } from "../../parts/Dialog";
import { ProgressBar } from "../../parts/progress";
import { Note } from "../../parts/states";
import { failureOf } from "../../resource";
import { rest, type Shapes } from "../../rest";
import { enrol, likenesses, type Outcome } from "./enrolling";
import { Alike } from "./FacesPanel";
import { brightness, hintFor, lightOf, POSES, Steps, type Check, type Hint } from "./guidance";

interface Props {
  person: Shapes["Person"];
  onClose: (outcomes: readonly Outcome[]) => void;
}

const WIDTH_PX = 960;
const SMALL_PX = 96;
const EVERY_MS = 450;
const AFTER_FAILURE_MS = 2000;

type Said = Hint | "busy" | "away" | null;

export function Webcam({ person, onClose }: Props) {
  const [outcomes, setOutcomes] = useState<readonly Outcome[]>([]);
  const [check, setCheck] = useState<Check | null>(null);
  const [said, setSaid] = useState<Said>(null);
  const [, setTurn] = useState(0);
  const taking = useRef(false);
  const steps = useMemo(() => new Steps(), []);
  const deviceId = useRef<string | null>(null);
  const holder = useRef<HTMLDivElement>(null);
  const finder = useMemo(
    () => new Viewfinder(() => ({ deviceId: deviceId.current, size: { width: 1280, height: 720 } }), () => !document.hidden, () => undefined),
    [],
  );
  const state = finder.state.value;
  const problem = obstacle() ?? (state.is === "failed" ? state.problem : null);
  const done = steps.wanted === null;

  useEffect(() => {
    if (obstacle() === null) void finder.open();
    return () => finder.close();
  }, [finder]);
  useEffect(() => {
    finder.video.className = "webcam-video";
    finder.video.setAttribute("aria-label", words.webcam.picture);
    holder.current?.prepend(finder.video);
  }, [finder, problem, done]);

  const take = async (picture: Blob) => {
    taking.current = true;
    const outcome = await enrol(person.id, words.webcam.title, picture);
    setOutcomes((known) => [...known, outcome]);
    if (outcome.enrolled) steps.next();
    else steps.again();
    taking.current = false;
    setTurn((turn) => turn + 1);
  };

  const live = state.is === "on" && !done;
  useEffect(() => {
    if (!live) return;
    let over = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async () => {
      let wait = EVERY_MS;
      const wanted = steps.wanted;
      const shot = document.hidden || taking.current || wanted === null ? null : await shotOf(finder.video);
      if (shot && wanted) {
        try {
          const found = await rest.post("/api/v1/people/{person_id}/templates/check", { path: { person_id: person.id }, raw: shot.picture });
          if (over) return;
          const light = lightOf(found.box_xyxy ? brightness(...shot.small, found.box_xyxy) : null, brightness(...shot.small));
          const hint = hintFor(found, wanted, light);
          setCheck(found);
          setSaid(hint);
          if (steps.feed(hint) && !taking.current) await take(shot.picture);
        } catch (error) {
          setSaid(failureOf(error).status === 503 ? "busy" : "away");
          wait = AFTER_FAILURE_MS;
        }
      }
      if (!over) timer = setTimeout(() => void look(), wait);
    };
    void look();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [live, person.id]);

  const takeNow = async () => {
    const shot = taking.current ? null : await shotOf(finder.video);
    if (shot) await take(shot.picture);
  };
  const close = () => {
    finder.close();
    onClose(outcomes);
  };
  const other = () => {
    deviceId.current = finder.next();
    void finder.open();
  };
  const taken = outcomes.filter(({ enrolled }) => enrolled !== null).length;
  const last = outcomes[outcomes.length - 1];
  const mirrored = state.is === "on" && state.front;
  return (
    <Dialog title={words.webcam.title} wide onClose={close}>
      {problem ? (
        <Note tone="warn" title={text.camera.problems[problem].heading}>
          <p>{text.camera.problems[problem].lead}</p>
          <ul>
            {text.camera.problems[problem].steps.map((step) => (
              <li key={step}>{step}</li>
            ))}
          </ul>
          {problem !== "insecure" && problem !== "unsupported" && (
            <Button small onClick={() => void finder.open()}>
              {words.webcam.again}
            </Button>
          )}
        </Note>
      ) : done ? (
        <Note tone="good" title={words.webcam.taken(taken)}>
          <p>{words.webcam.done}</p>
        </Note>
      ) : (
        <>
          <div ref={holder} class={`webcam${mirrored ? " webcam-mirrored" : ""}`}>
            {state.is !== "on" && <p class="webcam-wait">{words.webcam.starting}</p>}
            <Frame box={check?.box_xyxy ?? null} good={said === "hold"} />
          </div>
          <div class="guide" role="status" aria-live="polite">
            <p class="guide-wanted">
              <Arrow pose={steps.wanted} mirrored={mirrored} />
              {words.webcam.wanted[steps.wanted]}
            </p>
            <p class={`guide-hint${said === "hold" ? " guide-good" : ""}`}>{said === null ? words.webcam.lead : words.webcam.hints[said]}</p>
          </div>
          <ProgressBar label={words.webcam.step(steps.taken, POSES.length)} value={steps.taken} max={POSES.length} />
          {last?.failure && <p class="problem">{words.webcam.refused(words.upload.why(last.failure.code) || last.failure.message)}</p>}
        </>
      )}
      {likenesses(outcomes).map((like) => (
        <Alike key={like.person.id} like={like} />
      ))}
      <div class="form-actions">
        {!problem && !done && finder.choices.value.length > 1 && <Button onClick={other}>{words.webcam.other}</Button>}
        {!problem && !done && (
          <Button icon="camera" disabled={state.is !== "on"} onClick={() => void takeNow()}>
            {words.webcam.take}
          </Button>
        )}
        <Button look={taken > 0 ? "primary" : "plain"} onClick={close}>
          {taken > 0 ? words.webcam.finish : parts.cancel}
        </Button>
      </div>
    </Dialog>
  );
}

/** Where a face belongs, and where it is. */
function Frame({ box, good }: { box: Check["box_xyxy"]; good: boolean }) {
  return (
    <svg class={`webcam-frame${good ? " webcam-good" : ""}`} viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">
      {box ? (
        <rect x={100 * box[0]} y={100 * box[1]} width={100 * (box[2] - box[0])} height={100 * (box[3] - box[1])} rx="2" />
      ) : (
        <ellipse cx="50" cy="50" rx="18" ry="36" />
      )}
    </svg>
  );
}

function Arrow({ pose, mirrored }: { pose: string; mirrored: boolean }) {
  if (pose === "straight") return <Icon name="person" />;
  // In a picture that is not mirrored, their left is at the right.
  return <Icon name={(pose === "left") === mirrored ? "back" : "forward"} />;
}

type Small = readonly [Uint8ClampedArray, number, number];

/** The picture of this moment as a JPEG, and small for measuring its light. Null before the first one. */
async function shotOf(video: HTMLVideoElement): Promise<{ picture: Blob; small: Small } | null> {
  if (video.videoWidth === 0) return null;
  const draw = (width: number) => {
    const canvas = document.createElement("canvas");
    canvas.width = Math.min(width, video.videoWidth);
    canvas.height = Math.round((canvas.width * video.videoHeight) / video.videoWidth);
    const context = canvas.getContext("2d", { willReadFrequently: width === SMALL_PX });
    context?.drawImage(video, 0, 0, canvas.width, canvas.height);
    return { canvas, context };
  };
  const { canvas } = draw(WIDTH_PX);
  const { canvas: tiny, context } = draw(SMALL_PX);
  const pixels = context?.getImageData(0, 0, tiny.width, tiny.height).data ?? new Uint8ClampedArray();
  const picture = await new Promise<Blob | null>((made) => canvas.toBlob(made, "image/jpeg", 0.92));
  return picture && { picture, small: [pixels, tiny.width, tiny.height] };
}
