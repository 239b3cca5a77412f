import subprocess
import sys

import pytest

from stream_server import loaded_code

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


def in_a_child(code: str) -> list[str]:
    """What a process of its own prints: it is the code of a whole process that goes."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_what_only_the_import_of_libraries_needed_is_not_resident_any_more() -> None:
    before, after, later = map(
        float,
        in_a_child("""
import cv2, numpy as np, onnxruntime
from stream_server.loaded_code import let_go
from stream_server.memory import rss_mb
before = rss_mb()
assert let_go() > 20e6
after = rss_mb()
picture = np.full((480, 640, 3), 7, np.uint8)
for _ in range(3):
    picture = cv2.imdecode(cv2.imencode(".png", cv2.resize(picture, (640, 480)))[1], 1)
    assert (np.random.default_rng(0).random((200, 200)) @ np.eye(200)).shape == (200, 200)
print(before, after, rss_mb())
"""),
    )
    assert after < 0.7 * before
    assert later < 0.9 * before  # what is needed has come back


def test_libraries_work_while_their_code_is_let_go_of_and_others_are_loaded() -> None:
    """Threads that compute and one that imports, while pages go again and again.

    A wrong page would end the process, and locks taken in two orders would stop it: threads take turns often.
    """
    said = in_a_child("""
import sys, threading, time
sys.setswitchinterval(1e-6)
import cv2, numpy as np
from stream_server.loaded_code import let_go
ends, failed = threading.Event(), []
def compute(seed):
    rng = np.random.default_rng(seed)
    while not ends.is_set():
        matrix = rng.random((60, 60))
        if not np.allclose(np.linalg.inv(np.linalg.inv(matrix + 60 * np.eye(60))), matrix + 60 * np.eye(60)):
            failed.append("inverse")
        picture = rng.integers(0, 255, (64, 64, 3), np.uint8)
        if not np.array_equal(cv2.imdecode(cv2.imencode(".png", picture)[1], 1), picture):
            failed.append("picture")
def load():
    import sqlite3, decimal, lzma, bz2, asyncpg, uvloop, pydantic_core, cryptography.hazmat.primitives.ciphers.aead
threads = [threading.Thread(target=compute, args=(seed,)) for seed in (1, 2)] + [threading.Thread(target=load)]
for thread in threads: thread.start()
for _ in range(60):
    let_go()
    time.sleep(0.001)
ends.set()
for thread in threads: thread.join()
print("failed" if failed else "well")
""")
    assert said == ["well"]


def mapping(rights: str, anonymous_kb: int, path: str) -> str:
    return f"7f00-7f10 {rights} 00001000 fe:01 77   {path}\nRss: 4 kB\nAnonymous: {anonymous_kb} kB\nLocked: 0 kB\n"


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        (mapping("r-xp", 0, "/lib/a b.so"), [(0x7F00, 0x7F10, "/lib/a b.so")]),
        (mapping("r--p", 0, "/lib/a.so"), [(0x7F00, 0x7F10, "/lib/a.so")]),
        (mapping("r--p", 4, "/lib/a.so"), []),  # relocated, and protected then
        (mapping("r-xp", 4, "/lib/a.so"), []),  # addresses, or a breakpoint, were written into the code
        (mapping("rw-p", 0, "/lib/a.so"), []),
        (mapping("r--s", 0, "/dev/shm/a"), []),
        ("7f00-7f10 r--p 00000000 00:00 0 \nAnonymous: 0 kB\n", []),
        ("7f00-7f10 r-xp 00000000 00:00 0  [vdso]\nAnonymous: 0 kB\n", []),
    ],
)
def test_only_pages_that_are_what_the_file_says_are_let_go_of(text: str, taken: list[tuple[int, int, str]]) -> None:
    assert list(loaded_code.unwritten(text.splitlines(keepends=True))) == taken


def test_a_file_that_is_no_library_keeps_its_pages() -> None:
    assert not loaded_code._stays(__file__)


def test_elsewhere_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert loaded_code.let_go() == 0
