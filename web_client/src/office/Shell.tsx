/** What is around every page: the ways to the others, whether it is live, notes and questions. */
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { words } from "words/shell";
import { Logo } from "../ui/icons";
import { may, me, signOut } from "./account";
import { Icon } from "./icons";
import { live } from "./live_events";
import { PAGES, type PageEntry } from "./pages";
import { Asked } from "./parts/ask";
import { Initials } from "./parts/Badge";
import { Button } from "./parts/Button";
import { Dialog } from "./parts/Dialog";
import { toastFailure, Toasts } from "./parts/toasts";
import { place } from "./router";

// What a thumb reaches on a phone; the others are behind "More".
const ON_BAR = 4;
// A line that comes back at once is nothing to tell.
const PATIENCE_MS = 1500;

type NavEntry = PageEntry & { nav: NonNullable<PageEntry["nav"]> };

function entries(): NavEntry[] {
  return PAGES.filter((page): page is NavEntry => page.nav !== undefined && may(page.right));
}

/** The entry in whose part of the office a path is: `/people/1` is in People. */
function isAt(entry: NavEntry, path: string): boolean {
  return entry.path === "/" ? path === "/" : path === entry.path || path.startsWith(`${entry.path}/`);
}

export function Shell({ children }: { children: ComponentChildren }) {
  return (
    <div class="shell">
      <a class="skip" href="#page" onClick={skip}>
        {words.skip}
      </a>
      <Rail />
      <div class="beside">
        <Banner />
        <main id="page" class="page" tabIndex={-1}>
          {children}
        </main>
      </div>
      <BottomBar />
      <Toasts />
      <Asked />
    </div>
  );
}

function skip(event: Event): void {
  event.preventDefault();
  document.getElementById("page")?.focus();
}

function Rail() {
  const shown = entries();
  return (
    <div class="rail">
      <a class="brand" href="/">
        <Logo />
        <span>{words.product}</span>
      </a>
      <nav aria-label={words.navigation}>
        {(["day", "site"] as const).map((group) => {
          const those = shown.filter((entry) => entry.nav.group === group);
          return (
            those.length > 0 && (
              <div key={group}>
                <p class="rail-group" id={`rail-${group}`}>
                  {words.groups[group]}
                </p>
                <ul aria-labelledby={`rail-${group}`}>
                  {those.map((entry) => (
                    <li key={entry.path}>
                      <NavLink entry={entry} />
                    </li>
                  ))}
                </ul>
              </div>
            )
          );
        })}
      </nav>
      <Whoami />
    </div>
  );
}

function NavLink({ entry, onClick }: { entry: NavEntry; onClick?: () => void }) {
  const current = isAt(entry, place.value.path);
  return (
    <a class="nav-link" href={entry.path} {...(onClick ? { onClick } : {})} {...(current ? { "aria-current": "page" as const } : {})}>
      <Icon name={entry.nav.icon} />
      <span>{words.nav[entry.nav.name]}</span>
    </a>
  );
}

function Whoami() {
  const somebody = me.value;
  if (!somebody) return null;
  const leave = () => {
    signOut().catch(toastFailure);
  };
  return (
    <div class="whoami">
      <Initials name={somebody.name} />
      <div class="whoami-name">
        <span>{somebody.name}</span>
        {somebody.role && <span class="soft">{words.roles[somebody.role]}</span>}
      </div>
      <button type="button" class="btn btn-quiet btn-round" aria-label={words.signOut} title={words.signOut} onClick={leave}>
        <Icon name="leave" />
      </button>
    </div>
  );
}

function BottomBar() {
  const [open, setOpen] = useState(false);
  const shown = entries();
  const direct = shown.slice(0, ON_BAR);
  const rest = shown.slice(direct.length);
  const { path } = place.value;
  useEffect(() => setOpen(false), [path]);
  return (
    <nav class="bottom-bar" aria-label={words.navigation}>
      {direct.map((entry) => (
        <NavLink key={entry.path} entry={entry} />
      ))}
      <button
        type="button"
        class="nav-link"
        aria-haspopup="dialog"
        {...(rest.some((entry) => isAt(entry, path)) ? { "aria-current": "page" as const } : {})}
        onClick={() => setOpen(true)}
      >
        <Icon name="menu" />
        <span>{words.more}</span>
      </button>
      {open && (
        <Dialog title={words.all} onClose={() => setOpen(false)}>
          <ul class="all-pages">
            {shown.map((entry) => (
              <li key={entry.path}>
                <NavLink entry={entry} onClick={() => setOpen(false)} />
              </li>
            ))}
          </ul>
          <Whoami />
        </Dialog>
      )}
    </nav>
  );
}

/** Says that the page is not live, or that the server is not well. */
function Banner() {
  const state = live.state.value;
  const server = live.server.value;
  const late = useLate(state === "connecting" || state === "waiting");
  const seconds = useSecondsUntil(live.retryAt.value, late && state === "waiting");
  const unwell = server !== null && server.state !== "ok";
  return (
    <div class="banners" role="status">
      {late ? (
        <div class="banner banner-warn">
          <Icon name="warning" />
          <p>
            {/* Read out once, and not with every second. */}
            <strong aria-hidden={state === "waiting" ? "true" : undefined}>
              {state === "waiting" ? words.notLive.waiting(seconds) : words.notLive.connecting}
            </strong>{" "}
            {words.notLive.note}
          </p>
          <Button small onClick={() => live.tryNow()}>
            {words.notLive.now}
          </Button>
        </div>
      ) : (
        unwell && (
          <div class={`banner ${server.state === "not_ready" ? "banner-bad" : "banner-warn"}`}>
            <Icon name="warning" />
            <p>
              <strong>{words.state[server.state as Exclude<typeof server.state, "ok">]}</strong> {server.reasons[0]}
            </p>
          </div>
        )
      )}
    </div>
  );
}

/** True once something has been so for a while. */
function useLate(so: boolean): boolean {
  const [late, setLate] = useState(false);
  useEffect(() => {
    if (!so) {
      setLate(false);
      return;
    }
    const timer = setTimeout(() => setLate(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [so]);
  return so && late;
}

function useSecondsUntil(when: number, wanted: boolean): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!wanted) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [when, wanted]);
  return Math.max(0, Math.ceil((when - now) / 1000));
}
