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
  /** As in stream_server/serving/pages.py, with `{name}` for a part that varies. */
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
    path: "/people",
    right: "read",
    load: () => import("./pages/people/People"),
    nav: { name: "people", icon: "people", group: "day" },
  },
  { path: "/people/{person_id}", right: "read", load: () => import("./pages/people/PersonPage") },
  {
    path: "/sessions",
    right: "read",
    load: () => import("./pages/sessions/Sessions"),
    nav: { name: "sessions", icon: "sessions", group: "day" },
  },
  { path: "/sessions/{session_id}", right: "read", load: () => import("./pages/sessions/SessionPage") },
  {
    path: "/reports",
    right: "read",
    load: () => import("./pages/reports/Reports"),
    nav: { name: "reports", icon: "chart", group: "day" },
  },
  {
    path: "/unknown",
    right: "people",
    load: () => import("./pages/unknown/Unknown"),
    nav: { name: "unknown", icon: "unknown", group: "day" },
  },
  {
    path: "/cameras",
    right: "read",
    load: () => import("./pages/cameras/Cameras"),
    nav: { name: "cameras", icon: "camera", group: "site" },
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
    path: "/webhooks",
    right: "admin",
    load: () => import("./pages/webhooks/Webhooks"),
    nav: { name: "webhooks", icon: "send", group: "site" },
  },
  { path: "/webhooks/{webhook_id}", right: "admin", load: () => import("./pages/webhooks/WebhookPage") },
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
