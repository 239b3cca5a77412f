/** What somebody should look at. Nothing at all when all is well. */
import { useRef } from "preact/hooks";
import { words } from "words/dashboard";
import { live } from "../../live_events";
import { Note } from "../../parts/states";
import { Section } from "../../parts/Page";
import type { Shapes } from "../../rest";

type Camera = Shapes["CameraBody"];

export function Alerts({ cameras }: { cameras: readonly Camera[] }) {
  // A phone that was never here today is not lost.
  const seen = useRef(new Set<string>());
  for (const { id, connected } of cameras) if (connected) seen.current.add(id);
  const lost = cameras.filter(
    ({ id, connected, enabled, pull }) =>
      !connected && ((pull != null && enabled && !["live", "connecting", "off"].includes(pull.state)) || seen.current.has(id)),
  );
  // The first reason stands in the banner above every page.
  const reasons = live.server.value?.reasons.slice(1) ?? [];
  if (lost.length === 0 && reasons.length === 0) return null;
  return (
    <Section title={words.alerts.title}>
      {lost.map(({ id, name, pull }) => (
        <Note key={id} tone="warn">
          <p>{words.alerts.lost(name || id, pull?.reason ?? "")}</p>
        </Note>
      ))}
      {reasons.map((reason) => (
        <Note key={reason} tone="warn">
          <p>{reason}</p>
        </Note>
      ))}
    </Section>
  );
}
