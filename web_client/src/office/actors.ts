/** Who did something, in words: the paper trail names users by their ids. */
import { words } from "words/actors";
import { may, me } from "./account";
import { useResource } from "./resource";
import { everything, rest } from "./rest";

const SHORT = 8;

/** What an actor such as `user:0f3c…` or `clock` is called, given the names of users. */
export function actorName(actor: string, names: ReadonlyMap<string, string>): string {
  const [kind = "", id = ""] = actor.split(":");
  if (id === "") return words.kinds[kind] ?? kind;
  const name = names.get(id);
  return name ?? `${words.kinds[kind] ?? kind} ${id.slice(0, SHORT)}`;
}

/** In a component: a function that names actors. Those who may not see users learn only their own name. */
export function useActors(): (actor: string) => string {
  const users = useResource(async () => {
    if (!may("admin")) return [];
    return await everything((cursor) => rest.get("/api/v1/users", { query: { limit: 200, ...(cursor ? { cursor } : {}) } }), (page) => page.users);
  });
  const names = new Map((users.data ?? []).map((user) => [user.id, user.name]));
  const self = me.value;
  if (self?.id) names.set(self.id, self.name);
  return (actor) => actorName(actor, names);
}
