// @vladmandic/human on the WASM backend of TensorFlow.js, with the orders of answering.py.
// node human_peer.mjs FOLDER, where FOLDER holds node_modules.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';

// What libraries print must not get between the answers.
for (const name of ['log', 'info', 'debug']) console[name] = console.error;

// Models and binaries are read with fetch, and Node's does not read files.
const overNetwork = globalThis.fetch;
globalThis.fetch = async (address, options) => {
  const url = String(address);
  if (!url.startsWith('file:')) return overNetwork(address, options);
  const type = url.endsWith('.json') ? 'application/json' : 'application/octet-stream';
  return new Response(readFileSync(fileURLToPath(url)), { headers: { 'content-type': type } });
};

const modules = path.join(path.resolve(process.argv[2]), 'node_modules');
const require = createRequire(path.join(modules, 'here.js'));
const sharp = require('sharp');
const wasm = require('@tensorflow/tfjs-backend-wasm');
const { Human } = require(path.join(modules, '@vladmandic/human/dist/human.node-wasm.js'));

// One thread, as everybody here.
sharp.concurrency(1);
wasm.setThreadsCount(1);

const human = new Human({
  backend: 'wasm',
  wasmPath: path.join(modules, '@tensorflow/tfjs-backend-wasm/dist') + path.sep,
  modelBasePath: pathToFileURL(path.join(modules, '@vladmandic/human/models') + path.sep).href,
  debug: false,
  cacheSensitivity: 0,
  face: {
    enabled: true,
    detector: { rotation: true, maxDetected: 100 },
    mesh: { enabled: true },
    description: { enabled: true },
    iris: { enabled: false },
    emotion: { enabled: false },
  },
  body: { enabled: false },
  hand: { enabled: false },
  object: { enabled: false },
  gesture: { enabled: false },
});

await human.init();

async function look(bytes) {
  const { data, info } = await sharp(bytes).removeAlpha().toColourspace('srgb').raw().toBuffer({ resolveWithObject: true });
  const tensor = human.tf.tensor3d(new Uint8Array(data.buffer, data.byteOffset, data.length), [info.height, info.width, 3], 'int32');
  try {
    const result = await human.detect(tensor);
    if (result.error) throw new Error(result.error);
    return result.face.map(({ box: [x, y, width, height], embedding }) => ({ box: [x, y, x + width, y + height], embedding: embedding ?? null }));
  } finally {
    human.tf.dispose(tensor);
  }
}

const area = ({ box: [x0, y0, x1, y1] }) => (x1 - x0) * (y1 - y0);

function usedMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e3;
}

async function answer(order) {
  if (order.do === 'facts') {
    const version = (name) => JSON.parse(readFileSync(path.join(modules, name, 'package.json'), 'utf8')).version;
    const names = ['@vladmandic/human', '@tensorflow/tfjs-backend-wasm', 'sharp'];
    const versions = Object.fromEntries(names.map((name) => [name, version(name)]));
    return { versions: { ...versions, node: process.versions.node }, backend: human.tf.getBackend() };
  }
  const bytes = readFileSync(order.picture);
  if (order.do === 'look') return { faces: await look(bytes) };
  if (order.do === 'portrait') {
    const [largest] = (await look(bytes)).sort((a, b) => area(b) - area(a));
    return { face: largest ? { template: largest.embedding, probe: largest.embedding } : null };
  }
  const ms = [];
  let faces = 0;
  const used = usedMs();
  for (let i = 0; i < order.times; i += 1) {
    const began = performance.now();
    faces = (await look(bytes)).length;
    ms.push(performance.now() - began);
  }
  return { ms, cpu_ms: (usedMs() - used) / order.times, faces };
}

for await (const line of createInterface({ input: process.stdin })) {
  let said;
  try {
    said = await answer(JSON.parse(line));
  } catch (error) {
    said = { error: String(error?.stack ?? error) };
  }
  process.stdout.write(`${JSON.stringify(said)}\n`);
}
