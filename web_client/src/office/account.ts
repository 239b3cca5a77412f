/** Who has signed in, and what they may do. What they may not do is not shown; the server refuses it all the same. */
import { signal } from "@preact/signals";
import { RequestFailed } from "../api";
import { rest, setHolder, type Shapes } from "./rest";

export type Me = Shapes["Me"];
export type Right =
  "read" | "stream" | "recognise" | "punch" | "roster" | "people" | "cameras" | "admin" | "grant";

/** `asking` until the server has said who this is, `away` when it cannot be reached. */
export type Standing = "asking" | "away" | "set-up" | "nobody" | "somebody";

export const standing = signal<Standing>("asking");
export const me = signal<Me | null>(null);
/** Why somebody is asked to sign in who was signed in before. */
export const ended = signal(false);

export function may(right: Right): boolean {
  return me.value?.rights.includes(right) ?? false;
}

/** Ask the server who this is. `isNew`: it may have no owner yet, and nobody can have signed in then. */
export async function look(isNew = false): Promise<void> {
  try {
    if (isNew && (await rest.get("/api/v1/setup")).needed) {
      standing.value = "set-up";
      return;
    }
    me.value = await rest.get("/api/v1/me");
    standing.value = "somebody";
    ended.value = false;
  } catch (error) {
    if (!(error instanceof RequestFailed) || error.code !== "unauthenticated") {
      standing.value = "away";
      return;
    }
    await ask();
  }
}

async function ask(): Promise<void> {
  me.value = null;
  try {
    standing.value = (await rest.get("/api/v1/setup")).needed ? "set-up" : "nobody";
  } catch {
    standing.value = "away";
  }
}

export async function signIn(login: string, password: string): Promise<void> {
  await rest.post("/api/v1/login", { body: { login, password } });
  await look();
}

/** Make the first owner, with the token that the server made at its first start. Signs in. */
export async function setUp(token: string, owner: Shapes["SetUp"]): Promise<void> {
  await rest.post("/api/v1/setup", { token, body: owner });
  await look();
}

export async function signOut(): Promise<void> {
  try {
    await rest.post("/api/v1/logout");
  } catch (error) {
    // It is over already, which is what was wanted.
    if (!(error instanceof RequestFailed) || error.code !== "unauthenticated") throw error;
  }
  me.value = null;
  ended.value = false;
  standing.value = "nobody";
}

setHolder({
  csrfToken: () => me.value?.csrf_token ?? null,
  renew: async () => {
    await look();
    return me.value !== null;
  },
  signedOut: () => {
    if (standing.value !== "somebody") return;
    me.value = null;
    ended.value = true;
    standing.value = "nobody";
  },
});
