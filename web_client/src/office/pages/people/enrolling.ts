/** Sending pictures of a person to the server, one after the other. */
import { RequestFailed } from "../../../api";
import { failureOf } from "../../resource";
import { rest, type Shapes } from "../../rest";

export type Enrolled = Shapes["Enrolled"];
export type Likeness = NonNullable<Enrolled["looks_like"]>;

/** What became of a picture: the enrolled face, or why there is none. */
export interface Outcome {
  name: string;
  enrolled: Enrolled | null;
  failure: RequestFailed | null;
}

// More does not make a face better, and phones take pictures of 12 megapixels.
const SIDE_MAX_PX = 2400;
const AS_IT_IS_MAX_BYTES = 3_000_000;
const TAKEN = ["image/jpeg", "image/png", "image/webp"];
const TIMEOUT_MS = 60_000;

/** A picture as the server takes it: smaller where it is huge, and JPEG where the browser alone can read its kind. */
export async function prepared(file: Blob): Promise<Blob> {
  if (TAKEN.includes(file.type) && file.size <= AS_IT_IS_MAX_BYTES) return file;
  try {
    const picture = await createImageBitmap(file);
    const share = Math.min(1, SIDE_MAX_PX / Math.max(picture.width, picture.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(picture.width * share);
    canvas.height = Math.round(picture.height * share);
    canvas.getContext("2d")?.drawImage(picture, 0, 0, canvas.width, canvas.height);
    picture.close();
    return await new Promise((done) => canvas.toBlob((made) => done(made ?? file), "image/jpeg", 0.92));
  } catch {
    return file; // no picture to this browser: the server says what is wrong with it
  }
}

export async function enrol(personId: string, name: string, picture: Blob): Promise<Outcome> {
  try {
    const enrolled = await rest.post("/api/v1/people/{person_id}/templates", {
      path: { person_id: personId }, raw: picture, timeoutMs: TIMEOUT_MS,
    });
    return { name, enrolled, failure: null };
  } catch (error) {
    return { name, enrolled: null, failure: failureOf(error) };
  }
}

/** Whom the faces look like, each once, the nearest first. */
export function likenesses(outcomes: readonly Outcome[]): Likeness[] {
  const found = new Map<string, Likeness>();
  for (const { enrolled } of outcomes) {
    const like = enrolled?.looks_like;
    if (!like) continue;
    const known = found.get(like.person.id);
    if (!known || like.distance < known.distance) found.set(like.person.id, { ...like, same: like.same || known?.same === true });
  }
  return [...found.values()].sort((one, other) => one.distance - other.distance);
}
