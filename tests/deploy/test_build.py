"""The builder, on a small Dockerfile above this machine's own root: what each step does to the next."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

DOCKERFILE = """
ARG V=1
FROM image:${V} AS base
ENV GREETING="good morning" PATH=/opt/mine:$PATH
WORKDIR /place
COPY words/ words/
COPY single.txt renamed.txt

FROM scratch AS mirror
COPY single.txt /

FROM base AS made
RUN --mount=type=cache,target=/kept --mount=type=bind,from=mirror,target=/mirror \\
    echo "$GREETING $(cat words/deep/a.txt) $(cat renamed.txt) $(cat /mirror/single.txt)" > out.txt \\
 && pwd >> out.txt && echo more >> /kept/count && cat /kept/count >> out.txt && test ! -e words/skipped.txt

FROM base AS last
COPY --from=made /place/out.txt /result/
RUN cat /result/out.txt > seen.txt && test ! -e /kept/count && test ! -e out.txt
USER 1234:1234
RUN id -u > /tmp/id && test "$(cat /tmp/id)" = 1234 && ! touch /place/mine
"""
PROGRAM = """
import json, sys
from pathlib import Path
from deploy.proof.build import Builder, StepFailed
from deploy.proof.context import Context
from deploy.proof.dockerfile import parse
project, work, failing = Path(sys.argv[1]), Path(sys.argv[2]), len(sys.argv) > 3
text = (project / "Dockerfile").read_text() + ("RUN echo wrong >&2; exit 7\\n" if failing else "")
said = []
builder = Builder(parse(text), Context(project, "words/skipped.txt"), work, base=(Path("/"),),
                  contexts={"mirror": project / "mirror"}, say=said.append)
try:
    built = builder.build("last")
except StepFailed as error:
    print(json.dumps({"failed": str(error)}))
    raise SystemExit
print(json.dumps({"seen": (built.layer.upper / "place/seen.txt").read_text(), "env": built.env, "user": built.user,
                  "workdir": built.workdir, "built": [one.stage.name for one in builder.built]}))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    for name, content in {
        "Dockerfile": DOCKERFILE,
        "words/deep/a.txt": "dear",
        "words/skipped.txt": "never",
        "single.txt": "world",
        "mirror/single.txt": "from another place",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def build(project: Path, work: Path, *more: str) -> dict[str, object]:
    work.mkdir()
    # Layers may not lie within each other, and everything on the disk lies within its root.
    mounted = f"mount -t tmpfs tmpfs {work} && mkdir {work}/u {work}/w {work}/m"
    probe = f"{mounted} && mount -t overlay overlay -o lowerdir=/,upperdir={work}/u,workdir={work}/w {work}/m"
    namespace = [shutil.which("unshare") or "false", "--mount", "--propagation", "private", "sh", "-c"]
    if subprocess.run([*namespace, probe], capture_output=True, check=False).returncode != 0:
        pytest.skip("overlays cannot be mounted here: it needs root")
    program = [sys.executable, "-c", PROGRAM, str(project), str(work), *more]
    command = [*namespace, f'{mounted} && exec "$@"', "sh", *program]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 0, ended.stderr
    told: dict[str, object] = json.loads(ended.stdout)
    return told


def test_each_stage_sees_what_it_begins_from_and_copies_and_nothing_else(project: Path, tmp_path: Path) -> None:
    built = build(project, tmp_path / "stages")
    assert built["seen"] == "good morning dear world from another place\n/place\nmore\n"
    assert built["built"] == ["base", "made", "last"]
    assert (built["user"], built["workdir"]) == ("1234:1234", "/place")
    assert str(built["env"]["PATH"]).startswith("/opt/mine:/usr/local/sbin")  # type: ignore[index]
    # Nothing of it got into the machine's own root.
    assert not Path("/result").exists()


def test_a_step_that_fails_ends_the_build_with_its_words(project: Path, tmp_path: Path) -> None:
    failed = build(project, tmp_path / "stages", "failing")
    assert "exit code 7" in str(failed["failed"])
    assert "wrong" in str(failed["failed"])
