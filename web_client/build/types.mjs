// Writes src/generated/: the types of REST and of the messages, from the documents that the server's tests hold true.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import openapi, { astToString } from "openapi-typescript";

const docs = new URL("../../docs/", import.meta.url);
const target = new URL("../src/generated/", import.meta.url);

async function json(name) {
  return JSON.parse(await readFile(new URL(name, docs), "utf8"));
}

async function write(name, description) {
  const text = "// Made by build/types.mjs; do not edit.\n" + astToString(await openapi(description));
  const path = new URL(name, target);
  // Left alone when it is the same: what watches the file would build again.
  if ((await readFile(path, "utf8").catch(() => "")) !== text) await writeFile(path, text);
}

await mkdir(target, { recursive: true });
await write("api.ts", await json("openapi.json"));
const { $defs } = JSON.parse(
  JSON.stringify(await json("messages.schema.json")).replaceAll("#/$defs/", "#/components/schemas/"),
);
await write("messages.ts", {
  openapi: "3.1.0",
  info: { title: "Messages", version: "1" },
  paths: {},
  components: { schemas: $defs },
});
