/** The camera page: paired or not, started or not. */
import { useEffect, useState } from "preact/hooks";
import { obstacle } from "../capture/camera";
import { deviceName, Pairing, takeCode } from "../pairing";
import { text } from "../text";
import { Logo } from "../ui/icons";
import type { Paired } from "../wire";
import { Live } from "./Live";
import { PairForm } from "./PairForm";
import { Problem } from "./Problem";
import { StartCard } from "./StartCard";
import { Station } from "./station";

const pairing = new Pairing(localStorage);

export function App({ firstCode }: { firstCode: string | null }) {
  const [device, setDevice] = useState<Paired | null>(() => pairing.read());
  const [code, setCode] = useState(firstCode);
  const [station, setStation] = useState<Station | null>(null);
  const [notice, setNotice] = useState("");

  const leave = (words: string) => {
    station?.stop();
    setStation(null);
    pairing.forget();
    setDevice(null);
    setNotice(words);
  };
  const stop = () => {
    station?.stop();
    setStation(null);
  };
  const start = () => {
    if (!device) return;
    const made: Station = new Station(device, () => {
      made.stop();
      pairing.forget();
      setStation(null);
      setDevice(null);
      setNotice(text.camera.pair.revoked);
    });
    setStation(made);
    void made.start();
  };

  useEffect(() => {
    // Another QR code scanned while the page is open changes only the fragment.
    const again = () => {
      const scanned = takeCode(location, history);
      if (scanned !== null) setCode(scanned);
    };
    window.addEventListener("hashchange", again);
    return () => window.removeEventListener("hashchange", again);
  }, []);

  if (station && device && code === null) {
    return <Live station={station} onStop={stop} onForget={() => leave(text.camera.pair.forgotten)} />;
  }
  const stands = obstacle();
  return (
    <div class="plain">
      <header class="brand">
        <Logo />
        <span>{text.product}</span>
      </header>
      <main class="card">
        {!device || code !== null ? (
          <PairForm
            // A code that was scanned is tried at once, and again only by hand.
            key={code}
            code={code}
            name={deviceName(navigator.userAgent)}
            notice={notice}
            {...(device ? { onCancel: () => setCode(null) } : {})}
            onPaired={(paired) => {
              stop();
              setNotice(pairing.keep(paired) ? "" : text.camera.pair.notKept);
              setDevice(paired);
              setCode(null);
            }}
          />
        ) : stands ? (
          <Problem problem={stands} />
        ) : (
          <StartCard device={device} notice={notice} onStart={start} onForget={() => leave(text.camera.pair.forgotten)} />
        )}
      </main>
    </div>
  );
}
