/** Every page of the office: where it is, who may see it, and how it is loaded. To add one, see README.md. */
import type { ComponentType } from "preact";
import type { words } from "words/shell";
import type { Right } from "./account";
import type { IconName } from "./icons";
import { match, type Params } from "./router";

export interface PageProps {
  params: Params;
}

export interface PageEntry {
  /** As in stream_server/pages.py, with `{name}` for a part that varies. */
  path: string;
  right: Right;
  /** Loaded when it is first shown, so that nobody loads what they do not look at. */
  load: () => Promise<{ default: ComponentType<PageProps> }>;
  /** Where it stands in the navigation; without, it is reached from another page. */
  nav?: { name: keyof typeof words.nav; icon: IconName; group: "day" | "site" };
}

export const PAGES: readonly PageEntry[] = [
  {
    path: "/",
    right: "read",
    load: () => import("./pages/dashboard/Dashboard"),
    nav: { name: "dashboard", icon: "home", group: "day" },
  },
  {
    path: "/devices",
    right: "admin",
    load: () => import("./pages/devices/Devices"),
    nav: { name: "devices", icon: "device", group: "site" },
  },
  {
    path: "/access",
    right: "admin",
    load: () => import("./pages/access/Access"),
    nav: { name: "access", icon: "person", group: "site" },
  },
  {
    path: "/health",
    right: "read",
    load: () => import("./pages/health/Health"),
    nav: { name: "health", icon: "health", group: "site" },
  },
  {
    path: "/settings",
    right: "read",
    load: () => import("./pages/settings/Settings"),
    nav: { name: "settings", icon: "settings", group: "site" },
  },
];

/** Whether there is a page at a path: a link to none helps nobody. */
export function isPage(path: string): boolean {
  return PAGES.some((page) => match(page.path, path) !== null);
}
