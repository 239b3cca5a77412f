/** The one stream of events of this page. */
import { ended, me, standing } from "./account";
import { LiveEvents } from "./live";

export const live = new LiveEvents(() => {
  // The stream is a page's first to hear that its session has ended.
  if (standing.value !== "somebody") return;
  me.value = null;
  ended.value = true;
  standing.value = "nobody";
});
