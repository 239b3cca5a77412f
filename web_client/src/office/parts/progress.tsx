/** How far something has come. */
import type { ComponentChildren } from "preact";

interface BarProps {
  label: string;
  value: number;
  max: number;
  tone?: "good" | "warn" | "bad";
}

export function ProgressBar({ label, value, max, tone = "good" }: BarProps) {
  return (
    <progress class={`bar bar-${tone}`} aria-label={label} value={Math.min(value, max)} max={Math.max(max, 1e-9)} />
  );
}

const RADIUS = 42;
const LENGTH = 2 * Math.PI * RADIUS;

/** A ring that fills; `children` stand in its middle. Without `max` it is empty: nobody knows how much is all. */
export function Ring({ label, value, max, children }: { label: string; value: number; max: number | null; children: ComponentChildren }) {
  const share = max === null || max <= 0 ? 0 : Math.min(1, value / max);
  return (
    <div class="ring" role="img" aria-label={label}>
      <svg viewBox="0 0 100 100" aria-hidden="true" focusable="false">
        <circle class="ring-ground" cx="50" cy="50" r={RADIUS} />
        {share > 0 && (
          <circle
            class="ring-share"
            cx="50"
            cy="50"
            r={RADIUS}
            stroke-dasharray={`${share * LENGTH} ${LENGTH}`}
            transform="rotate(-90 50 50)"
          />
        )}
      </svg>
      <div class="ring-middle" aria-hidden="true">
        {children}
      </div>
    </div>
  );
}
