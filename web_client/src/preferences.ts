/** What a user chose on this device. */
export type Transport = "auto" | "websocket" | "webrtc";

export interface Preferences {
  transport: Transport;
  /** Null: mirrored when the camera looks at its user. */
  mirror: boolean | null;
  deviceId: string | null;
}

const KEY = "rollcall.camera";
const DEFAULTS: Preferences = { transport: "auto", mirror: null, deviceId: null };

export function readPreferences(storage: Pick<Storage, "getItem">): Preferences {
  try {
    const kept = JSON.parse(storage.getItem(KEY) ?? "{}") as Partial<Preferences>;
    return {
      transport: kept.transport === "websocket" || kept.transport === "webrtc" ? kept.transport : "auto",
      mirror: typeof kept.mirror === "boolean" ? kept.mirror : null,
      deviceId: typeof kept.deviceId === "string" ? kept.deviceId : null,
    };
  } catch {
    return { ...DEFAULTS };
  }
}

export function keepPreferences(storage: Pick<Storage, "setItem">, preferences: Preferences): void {
  try {
    storage.setItem(KEY, JSON.stringify(preferences));
  } catch {
    // A private window: it holds until the page is closed.
  }
}
