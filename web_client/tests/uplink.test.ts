import { expect, test } from "vitest";
import { DETAILS, Uplink } from "../src/capture/uplink";

/** Send a frame every 100 ms over a line that answers each after `tookMs(n)`; the server counts from `first`. */
function stream(uplink: Uplink, frames: number, tookMs: (frame: number) => number, first = 1, from = 0): { sent: number; now: number } {
  const answers: { at: number; frame: number }[] = [];
  let [sent, now] = [0, from];
  for (; (sent < frames || answers.length > 0) && now < from + 3_600_000; now += 20) {
    for (const answer of answers.filter((due) => due.at <= now)) uplink.answered(answer.frame, now);
    answers.splice(0, answers.length, ...answers.filter((due) => due.at > now));
    if (sent >= frames || (now - from) % 100 !== 0 || !uplink.mayTake(now, 0)) continue;
    answers.push({ at: now + tookMs(sent), frame: first + sent });
    uplink.sent(now);
    sent += 1;
  }
  return { sent, now };
}

test("the first frame goes alone, so that its answer says where the server's count begins", () => {
  const uplink = new Uplink();
  uplink.connected(0);
  expect(uplink.mayTake(0, 0)).toBe(true);
  uplink.sent(0);
  expect(uplink.mayTake(100, 0)).toBe(false);
  uplink.answered(4711, 150);
  expect(uplink.latencyMs).toBe(150);
  expect(uplink.framesUnderWay).toBe(0);
  uplink.sent(200);
  uplink.answered(4712, 260);
  expect(uplink.latencyMs).toBeLessThan(150);
});

test("a first frame that is never answered does not stop the camera", () => {
  const uplink = new Uplink();
  uplink.connected(0);
  uplink.sent(0);
  expect(uplink.mayTake(2900, 0)).toBe(false);
  expect(uplink.mayTake(3100, 0)).toBe(true);
});

test("a good line keeps the full quality and its true latency", () => {
  const uplink = new Uplink();
  uplink.connected(0);
  stream(uplink, 200, () => 120, 900);
  expect(uplink.detail).toEqual(DETAILS[0]);
  expect(Math.round(uplink.latencyMs ?? 0)).toBe(120);
});

test("a long way is no slow line: constant latency takes no quality", () => {
  const uplink = new Uplink();
  uplink.connected(0);
  stream(uplink, 200, () => 900);
  expect(uplink.detail).toEqual(DETAILS[0]);
});

test("answers that come later and later make the pictures smaller, step by step, to the smallest", () => {
  const uplink = new Uplink();
  uplink.connected(0);
  const seen = new Set<number>();
  stream(uplink, 40, (frame) => {
    seen.add(DETAILS.indexOf(uplink.detail));
    return 100 + frame * 60;
  });
  expect([...seen]).toEqual([...seen].sort());
  expect(uplink.detail).toEqual(DETAILS[DETAILS.length - 1]);
});

test("what is under way is bounded in time, also when nothing is answered any more", () => {
  const uplink = new Uplink();
  uplink.connected(0);
  uplink.sent(0);
  uplink.answered(1, 50);
  for (let now = 100; now < 10_000; now += 50) {
    if (uplink.mayTake(now, 0)) uplink.sent(now);
    expect(uplink.framesUnderWay).toBeLessThanOrEqual(32);
  }
  expect(uplink.detail).not.toEqual(DETAILS[0]);
});

test("nothing is taken while the browser still holds the one before", () => {
  const uplink = new Uplink();
  uplink.connected(0);
  expect(uplink.mayTake(0, 1)).toBe(false);
});

test("a line of 400 kbit/s is given what it carries, in time, from the first frames on", () => {
  // Frames of the level's size, one after the other over a line that holds as much as it is given.
  const uplink = new Uplink();
  uplink.connected(0);
  const kBytes = () => 60 * uplink.detail.scale ** 2 * uplink.detail.quality ** 2;
  const answers: { at: number; frame: number; took: number }[] = [];
  let [free, sent] = [0, 0];
  const late: number[] = [];
  for (let now = 0; now < 60_000; now += 20) {
    while (answers[0] && answers[0].at <= now) {
      const { frame, took } = answers.shift() ?? { frame: 0, took: 0 };
      uplink.answered(frame, now);
      if (now > 15_000) late.push(took);
    }
    if (now % 100 !== 0 || !uplink.mayTake(now, 0)) continue;
    free = Math.max(free, now) + (kBytes() / 50) * 1000;
    sent += 1;
    answers.push({ at: free + 80, frame: sent, took: free + 80 - now });
    uplink.sent(now);
  }
  expect(Math.max(...late)).toBeLessThan(2000);
  expect(late.length / 45).toBeGreaterThan(1.5);
});

test("quality comes back after a calm time, and later when it did not last", () => {
  const uplink = new Uplink();
  uplink.connected(0);
  let [now, sent] = [0, 0];
  const run = (frames: number, tookMs: number) => {
    now = stream(uplink, frames, () => tookMs, sent + 1, now).now;
    sent += frames;
  };
  const level = () => DETAILS.indexOf(uplink.detail);
  /** Milliseconds of calm until a step up. */
  const calmUntilBetter = () => {
    const [low, from] = [level(), now];
    while (level() >= low && now - from < 300_000) run(5, 100);
    return now - from;
  };
  run(20, 100);
  run(20, 1100);
  expect(level()).toBeGreaterThan(0);
  const first = calmUntilBetter();
  expect(first).toBeLessThan(20_000);
  run(20, 1100);
  expect(calmUntilBetter()).toBeGreaterThan(1.5 * first);
});

test("a new connection keeps what was learnt of the line and forgets what was under way", () => {
  const uplink = new Uplink();
  uplink.connected(0);
  stream(uplink, 300, (frame) => Math.min(4000, 100 + frame * 25));
  const learnt = uplink.detail;
  uplink.connected(1e6);
  expect(uplink.framesUnderWay).toBe(0);
  expect(uplink.mayTake(1e6, 0)).toBe(true);
  expect(uplink.detail).toEqual(learnt);
});
