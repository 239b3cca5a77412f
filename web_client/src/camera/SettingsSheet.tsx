/** Choices of this device. */
import { useEffect, useRef } from "preact/hooks";
import type { Transport } from "../preferences";
import { text } from "../text";
import { Icon } from "../ui/icons";
import { Forget } from "./Forget";
import type { Station } from "./station";

interface Props {
  station: Station;
  onClose: () => void;
  onForget: () => void;
}

const TRANSPORTS: Transport[] = ["auto", "websocket", "webrtc"];

export function SettingsSheet({ station, onClose, onForget }: Props) {
  const words = text.camera.settings;
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const shown = dialog.current;
    // Not in browsers before 2022: there it is an open part of the page, with the same button to close it.
    if (typeof shown?.showModal === "function") shown.showModal();
    else shown?.setAttribute("open", "");
  }, []);

  const camera = station.view.state.value;
  const current = camera.is === "on" ? camera.track.getSettings().deviceId : undefined;
  const chosen = station.preferences.value;
  return (
    <dialog ref={dialog} class="sheet" aria-labelledby="settings" onClose={onClose}>
      <header>
        <h2 id="settings">{words.heading}</h2>
        <button type="button" class="round" aria-label={words.close} onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>

      <label for="which">{words.camera}</label>
      <select id="which" value={current} onChange={(event) => station.choose({ deviceId: event.currentTarget.value, mirror: null })}>
        {station.view.choices.value.map(({ deviceId, label }, index) => (
          <option key={deviceId} value={deviceId}>
            {label || words.cameraNumber(index + 1)}
          </option>
        ))}
      </select>

      <label class="switch">
        <input
          type="checkbox"
          checked={station.mirrored.value}
          aria-describedby="mirror-help"
          onChange={(event) => station.choose({ mirror: event.currentTarget.checked })}
        />
        <span>{words.mirror}</span>
      </label>
      <p id="mirror-help" class="help">
        {words.mirrorHelp}
      </p>

      <fieldset aria-describedby="transport-help">
        <legend>{words.transport}</legend>
        <div class="segments">
          {TRANSPORTS.map((transport) => (
            <label key={transport}>
              <input
                type="radio"
                name="transport"
                value={transport}
                checked={chosen.transport === transport}
                onChange={() => station.choose({ transport })}
              />
              <span>{words.transports[transport]}</span>
            </label>
          ))}
        </div>
        <p id="transport-help" class="help">
          {words.transportHelp}
        </p>
      </fieldset>

      <h3>{words.device}</h3>
      <p>{words.pairedAs(station.device.name, station.device.camera_id)}</p>
      <Forget onForget={onForget} />
    </dialog>
  );
}
