/** A PIN that somebody types at a kiosk, and what the server makes of it. */
import { request } from "../api";
import type { components } from "../generated/api";
import { text, timeOfDay } from "../text";
import type { Paired } from "../wire";
import { capital, type Greeting } from "./kiosk";

export type PunchMade = components["schemas"]["PunchMade"];

export const DIGITS_MIN = 4;
export const DIGITS_MAX = 12;
let greeted = 0;

export async function punch(device: Paired, pin: string): Promise<PunchMade> {
  const response = await request(
    `/api/v1/cameras/${encodeURIComponent(device.camera_id)}/punches`,
    {
      method: "POST",
      headers: { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID() },
      body: JSON.stringify({ pin }),
    },
    device.token,
  );
  return (await response.json()) as PunchMade;
}

/** What the kiosk says then: coming and going where it is counted, else the status, and since when if that is now. */
export function greetingOf(made: PunchMade, now: Date): Greeting {
  const words = text.camera.kiosk;
  const at = now.toISOString();
  const status = capital(text.camera.attendance[made.status]);
  const moment = made.direction === "out" ? words.pin.left : made.direction === "in" ? words.pin.came : status;
  const said = made.first || made.direction !== null ? words.confirmed(moment, timeOfDay(at)) : words.confirmed(status, words.pin.again);
  // Below those of events, which count from one.
  greeted -= 1;
  return { key: greeted, personId: made.person.id, name: made.person.name, status: made.status, at, said };
}
