/** Today at a glance. */
import { words } from "words/shell";
import { Page } from "../../parts/Page";

export default function Dashboard() {
  return <Page title={words.nav.dashboard}>{null}</Page>;
}
