/** Sending a large file, telling how far it has come: `fetch` does not. */
import { RequestFailed, TUNNEL_HEADERS } from "../api";
import { me } from "./account";

/** The JSON of the answer. `onSent` is called with the part that was sent, 0 to 1. Raises RequestFailed. */
export function upload(address: string, file: Blob, onSent: (share: number) => void): Promise<unknown> {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("POST", address);
    for (const [name, value] of Object.entries(TUNNEL_HEADERS)) request.setRequestHeader(name, value);
    request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    const csrf = me.value?.csrf_token;
    if (csrf) request.setRequestHeader("X-CSRF-Token", csrf);
    request.upload.onprogress = ({ loaded, total }) => onSent(total > 0 ? loaded / total : 0);
    request.upload.onload = () => onSent(1);
    request.onerror = request.onabort = () => failed(new RequestFailed(0, "away", "The server cannot be reached."));
    request.onload = () => {
      let said: Record<string, unknown> = {};
      try {
        said = JSON.parse(request.responseText) as Record<string, unknown>;
      } catch {
        // Something between us and the server answered: without words of ours.
      }
      if (request.status >= 200 && request.status < 300) done(said);
      else failed(new RequestFailed(request.status, textOf(said["code"], "unknown"), textOf(said["detail"]), textOf(said["hint"])));
    };
    request.send(file);
  });
}

function textOf(value: unknown, otherwise = ""): string {
  return typeof value === "string" ? value : otherwise;
}
