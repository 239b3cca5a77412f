import { render } from "preact";
import "../ui/base.css";
import "../ui/card.css";
import "../ui/camera.css";
import "../ui/segments.css";
import "../ui/settings_sheet.css";
import "../ui/kiosk.css";
import { takeCode } from "../pairing";
import { App } from "./App";

// Before anything else: until then the code stands in the address bar.
const code = takeCode(location, history);
const root = document.getElementById("app");
if (root) render(<App firstCode={code} />, root);
