/** Who is there decides what is shown: the first run, signing in, or the office. */
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { words } from "words/shell";
import { look, me, may, standing } from "./account";
import { live } from "./live_events";
import { PAGES, type PageProps } from "./pages";
import { Button, LinkButton } from "./parts/Button";
import { Page } from "./parts/Page";
import { Empty, Skeleton } from "./parts/states";
import { Toasts } from "./parts/toasts";
import { useInterval } from "./resource";
import { go, localPath, match, place } from "./router";
import { Shell } from "./Shell";
import { SignIn } from "./pages/SignIn";

const AWAY_RETRY_MS = 5000;
// Loaded once; a page that was looked at is there at once.
const loaded = new Map<string, ComponentType<PageProps>>();
const WELCOME = "/welcome";
const SIGN_IN = "/sign-in";

/** What is shown, without changing the address: an effect does that. */
export function App({ setUpToken }: { setUpToken: string | null }) {
  const { path, query } = place.value;
  const stands = standing.value;
  useEffect(() => {
    if (stands === "somebody") live.start();
    else live.forget();
    if (stands === "set-up" && path !== WELCOME) go(WELCOME, { replace: true });
    if (stands === "nobody" && path !== SIGN_IN) {
      const back = path === WELCOME ? "/" : path + window.location.search;
      go(back === "/" ? SIGN_IN : `${SIGN_IN}?next=${encodeURIComponent(back)}`, { replace: true });
    }
    if (stands === "somebody" && path === SIGN_IN) go(localPath(query.get("next")), { replace: true });
  }, [stands, path]);

  if (stands === "asking") {
    return (
      <div class="plain">
        <Skeleton />
      </div>
    );
  }
  if (stands === "away") return <Away />;
  if (stands === "set-up" || (stands === "somebody" && path === WELCOME)) {
    return (
      <>
        <Lazy path={WELCOME} load={() => import("./pages/welcome/Welcome")} params={{ token: setUpToken ?? "" }} />
        <Toasts />
      </>
    );
  }
  if (stands === "nobody" || path === SIGN_IN) return <SignIn />;
  return <Shell key={me.value?.id}>{page(path)}</Shell>;
}

function page(path: string) {
  for (const entry of PAGES) {
    const params = match(entry.path, path);
    if (params === null) continue;
    if (!may(entry.right)) return <Forbidden />;
    return <Lazy key={path} path={entry.path} load={entry.load} params={params} />;
  }
  return <NotFound />;
}

interface LazyProps extends PageProps {
  path: string;
  load: () => Promise<{ default: ComponentType<PageProps> }>;
}

function Lazy({ path, load, params }: LazyProps) {
  const [broken, setBroken] = useState(false);
  const [, setReady] = useState(0);
  useEffect(() => {
    if (loaded.has(path)) return;
    let gone = false;
    load().then(
      (module) => {
        loaded.set(path, module.default);
        if (!gone) setReady((count) => count + 1);
      },
      () => {
        if (!gone) setBroken(true);
      },
    );
    return () => void (gone = true);
  }, [path]);
  const Shown = loaded.get(path);
  if (Shown) return <Shown params={params} />;
  return broken ? <Broken /> : <Skeleton lines={6} />;
}

function Away() {
  useInterval(() => void look(), AWAY_RETRY_MS);
  return (
    <main class="plain">
      <div class="card">
        <h1>{words.away.title}</h1>
        <p class="lead">{words.away.lead}</p>
        <Button look="primary" icon="reload" onClick={() => void look()}>
          {words.away.again}
        </Button>
      </div>
    </main>
  );
}

function NotFound() {
  return (
    <Page title={words.notFound.title}>
      <Empty icon="search" title={words.notFound.lead}>
        <LinkButton href="/">{words.notFound.home}</LinkButton>
      </Empty>
    </Page>
  );
}

function Forbidden() {
  return (
    <Page title={words.forbidden.title}>
      <Empty icon="shield" title={words.forbidden.lead} />
    </Page>
  );
}

function Broken() {
  return (
    <Page title={words.broken.title}>
      <Empty icon="warning" title={words.broken.lead}>
        <Button onClick={() => window.location.reload()}>{words.broken.again}</Button>
      </Empty>
    </Page>
  );
}
