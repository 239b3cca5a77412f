/** The camera at work. */
import { computed, useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { Fit } from "../capture/geometry";
import { text } from "../text";
import { Icon, type IconName, Logo } from "../ui/icons";
import { FiguresPanel } from "./FiguresPanel";
import { KioskOverlay } from "./KioskOverlay";
import { MarkedAloud, MarkedList } from "./MarkedList";
import { Problem } from "./Problem";
import { Screen } from "./Screen";
import { SettingsSheet } from "./SettingsSheet";
import type { Station } from "./station";
import { Badge, Banner, standing } from "./Status";

interface Props {
  station: Station;
  onStop: () => void;
  onForget: () => void;
}

interface ActionProps {
  icon: IconName;
  label: string;
  pressed?: boolean;
  onClick: () => void;
}

function Action({ icon, label, pressed, onClick }: ActionProps) {
  return (
    <button type="button" class="action" aria-pressed={pressed} onClick={onClick}>
      <Icon name={icon} />
      <span>{label}</span>
    </button>
  );
}

export function Live({ station, onStop, onForget }: Props) {
  const words = text.camera.actions;
  const kiosk = useSignal(false);
  const settings = useSignal(false);
  const fit = useMemo(() => computed<Fit>(() => (kiosk.value ? "cover" : "contain")), []);
  const boxes = useMemo(() => computed(() => !kiosk.value), []);
  const camera = station.view.state.value;
  const now = standing(station);

  const enter = () => {
    kiosk.value = true;
    // An iPhone has no full screen for pages; there the page fills what it has.
    const root = document.documentElement as Partial<HTMLElement>;
    root.requestFullscreen?.call(document.documentElement).catch(() => undefined);
  };
  const leave = () => {
    kiosk.value = false;
    if (document.fullscreenElement) document.exitFullscreen().catch(() => undefined);
  };

  useEffect(() => {
    // The browser's own way out of full screen is a way out of the kiosk too.
    const changed = () => {
      if (!document.fullscreenElement) kiosk.value = false;
    };
    const key = (event: KeyboardEvent) => event.key === "Escape" && kiosk.value && leave();
    document.addEventListener("fullscreenchange", changed);
    document.addEventListener("keydown", key);
    return () => {
      document.removeEventListener("fullscreenchange", changed);
      document.removeEventListener("keydown", key);
    };
  }, []);

  if (camera.is === "failed") {
    return (
      <div class="plain">
        <main class="card">
          <Problem
            problem={camera.problem}
            onAgain={() => {
              station.stop();
              onStop();
            }}
          />
        </main>
      </div>
    );
  }
  return (
    <div class={kiosk.value ? "work in-kiosk" : "work"}>
      <header class="bar">
        <Logo />
        <h1>{station.device.name}</h1>
        <Badge {...now} />
      </header>
      <main>
        <div class="stage">
          <Screen station={station} fit={fit} boxes={boxes} />
          {camera.is === "opening" && <p class="opening">{text.camera.start.busy}</p>}
          {kiosk.value ? (
            <KioskOverlay station={station} live={now.condition === "live"} onLeave={leave} />
          ) : (
            <Banner now={now} onAction={() => station.retry()} />
          )}
        </div>
        <div class="controls" role="group" aria-label={words.group}>
          <Action icon="stop" label={words.stop} onClick={onStop} />
          {station.view.choices.value.length > 1 && <Action icon="flip" label={words.flip} onClick={() => station.flip()} />}
          <Action
            icon="mirror"
            label={words.mirror}
            pressed={station.mirrored.value}
            onClick={() => station.choose({ mirror: !station.mirrored.value })}
          />
          {station.view.torch.value !== null && (
            <Action
              icon="torch"
              label={words.torch}
              pressed={station.view.torch.value}
              onClick={() => void station.view.light(station.view.torch.value !== true)}
            />
          )}
          <Action icon="kiosk" label={words.kiosk} onClick={enter} />
          <Action icon="settings" label={words.settings} onClick={() => (settings.value = true)} />
        </div>
      </main>
      <aside>
        <MarkedList station={station} />
        <FiguresPanel station={station} />
      </aside>
      <MarkedAloud station={station} />
      {settings.value && (
        <SettingsSheet station={station} onClose={() => (settings.value = false)} onForget={onForget} />
      )}
    </div>
  );
}
