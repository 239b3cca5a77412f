/** The camera of this device: opened, chosen, and what may stand against it. */
import type { Size } from "./geometry";

export type CameraProblem = "insecure" | "unsupported" | "denied" | "none" | "busy" | "failed";

export class CameraFailed extends Error {
  constructor(readonly problem: CameraProblem) {
    super(problem);
  }
}

export interface CameraChoice {
  deviceId: string;
  label: string;
}

const PROBLEM_OF: Record<string, CameraProblem> = {
  NotAllowedError: "denied",
  SecurityError: "denied",
  NotFoundError: "none",
  OverconstrainedError: "none",
  NotReadableError: "busy",
  AbortError: "busy",
};

// Pictures are made smaller for the server; this much is wanted so that far faces stay sharp in them.
const WIDTH_MIN = 1280;
const FPS_MAX = 24;

/** What stands against a camera on this page before anybody is asked; null when nothing does. */
export function obstacle(): CameraProblem | null {
  if (!window.isSecureContext) return "insecure";
  // Typed as always there; it is not, in old browsers and in some views of other apps.
  return (navigator.mediaDevices as MediaDevices | undefined)?.getUserMedia ? null : "unsupported";
}

/** Open a camera. Without a choice it is the one at the back, which looks at a class. Raises CameraFailed. */
export async function openCamera(deviceId: string | null, asked: Size): Promise<MediaStream> {
  const stands = obstacle();
  if (stands) throw new CameraFailed(stands);
  const size = {
    width: { ideal: Math.max(WIDTH_MIN, asked.width) },
    height: { ideal: Math.round((Math.max(WIDTH_MIN, asked.width) * asked.height) / asked.width) },
    frameRate: { ideal: 15, max: FPS_MAX },
  };
  const which: MediaTrackConstraints[] = [{ facingMode: { ideal: "environment" } }];
  if (deviceId !== null) which.unshift({ deviceId: { exact: deviceId } });
  let failure = new CameraFailed("failed");
  for (const chosen of which) {
    try {
      return await navigator.mediaDevices.getUserMedia({ audio: false, video: { ...size, ...chosen } });
    } catch (error) {
      failure = new CameraFailed((error instanceof DOMException && PROBLEM_OF[error.name]) || "failed");
      // A camera that was chosen once and is gone: any other is better than none.
      if (failure.problem === "denied") break;
    }
  }
  throw failure;
}

/** The cameras there are; their names are known once one was opened. */
export async function listCameras(): Promise<CameraChoice[]> {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices
    .filter((device) => device.kind === "videoinput" && device.deviceId !== "")
    .map(({ deviceId, label }) => ({ deviceId, label }));
}

/** Whether a camera looks at who holds it. Computers do not say; theirs do, unless the name denies it. */
export function looksAtUser(facingMode: string | undefined, label: string, hasTouch: boolean): boolean {
  if (facingMode !== undefined && facingMode !== "") return facingMode === "user";
  if (/back|rear|environment|document|usb/i.test(label)) return false;
  return /front|user|facetime|integrated|built-?in/i.test(label) || !hasTouch;
}

interface TorchCapabilities extends MediaTrackCapabilities {
  torch?: boolean;
}

export function hasTorch(track: MediaStreamTrack): boolean {
  // Not in every browser.
  const capabilities = (track as Partial<MediaStreamTrack>).getCapabilities?.call(track) as TorchCapabilities | undefined;
  return capabilities?.torch === true;
}

export async function setTorch(track: MediaStreamTrack, on: boolean): Promise<void> {
  await track.applyConstraints({ advanced: [{ torch: on } as MediaTrackConstraintSet] });
}
