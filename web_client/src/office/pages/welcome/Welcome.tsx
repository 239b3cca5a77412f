/** The first run. */
export default function Welcome() {
  return null;
}
