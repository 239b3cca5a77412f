/** Finding people as their name is being typed. */
import { useEffect, useState } from "preact/hooks";
import { rest, type Shapes } from "../../rest";

export const TYPING_MS = 250;
const SUGGESTED_MAX = 8;

/** A value once it has stayed the same for a while, as a text that is being typed. */
export function useSettled<T>(value: T, afterMs: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), afterMs);
    return () => clearTimeout(timer);
  }, [value, afterMs]);
  return settled;
}

/** A few people in whose name a text stands; nobody for an empty one. */
export async function suggestions(text: string): Promise<readonly Shapes["Person"][]> {
  if (text === "") return [];
  return (await rest.post("/api/v1/people/search", { body: { text, limit: SUGGESTED_MAX } })).people;
}
