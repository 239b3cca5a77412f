/** A curve of the last figures. */
interface Props {
  label: string;
  values: readonly number[];
}

const WIDTH = 600;
const HEIGHT = 120;
const EDGE = 6;

/** The curve's path; the scale leaves room around it, so that a calm line is calm. */
export function curve(values: readonly number[]): string {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const room = Math.max((high - low) * 0.15, high * 0.02, 1);
  const x = (index: number) => (values.length < 2 ? 0 : (index / (values.length - 1)) * WIDTH);
  const y = (value: number) => EDGE + (1 - (value - (low - room)) / (high - low + 2 * room)) * (HEIGHT - 2 * EDGE);
  return values.map((value, index) => `${index === 0 ? "M" : "L"}${x(index).toFixed(1)} ${y(value).toFixed(1)}`).join("");
}

export function Plot({ label, values }: Props) {
  const line = curve(values);
  return (
    <svg class="plot" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
      <path class="plot-area" d={`${line}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}z`} />
      <path class="plot-line" d={line} />
    </svg>
  );
}
