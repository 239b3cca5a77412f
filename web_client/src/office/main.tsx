import { render } from "preact";
import "../ui/base.css";
import "../ui/card.css";
import "../ui/office.css";
import "../ui/forms.css";
import "../ui/lists.css";
import { look, standing } from "./account";
import { App } from "./App";
import { followVisibility } from "./live";
import { live } from "./live_events";
import { isPage } from "./pages";
import { startRouter } from "./router";
import { showTheme } from "./theme";

/** The token of an address such as `/welcome#token=…`; it does not stay in the address bar or the history. */
function takeSetUpToken(): string | null {
  if (location.hash === "") return null;
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  history.replaceState(null, "", location.pathname + location.search);
  return token;
}

const setUpToken = takeSetUpToken();
showTheme();
startRouter((path) => path === "/welcome" || path === "/sign-in" || isPage(path));
followVisibility(live, document, () => standing.value === "somebody");
window.addEventListener("online", () => live.tryNow());
const root = document.getElementById("app");
if (root) render(<App setUpToken={setUpToken} />, root);
void look(location.pathname === "/welcome");
