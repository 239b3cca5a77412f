"""`python -m deploy.proof`: build the image without an engine, run it, measure it, write benchmarks/IMAGE.md."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.machine import machine_facts
from deploy.proof import postgres, report, sizes
from deploy.proof.base import Base, make_base
from deploy.proof.build import Builder, StepFailed
from deploy.proof.checks import CheckFailed, Checks
from deploy.proof.container import Image
from deploy.proof.context import Context
from deploy.proof.dockerfile import Dockerfile, read
from deploy.proof.layers import NotPossible, enter_namespace, mount, unmount

ROOT = Path(__file__).resolve().parents[2]
BASES = Path(tempfile.gettempdir()) / "rollcall-image-bases"
EXIT_FAILED, EXIT_NOT_POSSIBLE = 1, 3


def main() -> int:
    """Exit code 1 when the image is not what it should be, 3 when this machine cannot tell."""
    arguments = _arguments()
    try:
        enter_namespace()
        with tempfile.TemporaryDirectory(prefix="rollcall-image-", dir=arguments.work) as folder:
            Path(folder).chmod(0o755)
            if arguments.host:
                # Layers may not lie within each other, and everything on this disk lies within its root.
                mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", folder)
            try:
                document = _prove(arguments, Path(folder))
            finally:
                if arguments.host:
                    unmount(Path(folder))
    except NotPossible as error:
        print(f"not possible here: {error}", file=sys.stderr)
        return EXIT_NOT_POSSIBLE
    except (StepFailed, CheckFailed) as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return EXIT_FAILED
    if document["size_bytes"] > report.LIMIT_BYTES:
        print(f"FAILED: the image has {document['size_bytes'] / 1e6:.0f} MB", file=sys.stderr)
        return EXIT_FAILED
    report.write(document, arguments.out)
    print(f"{document['size_bytes'] / 1e6:.0f} MB, built in {document['build_s']:.0f} s; see {arguments.out}/IMAGE.md")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.proof", description=__doc__)
    parser.add_argument(
        "--host",
        action="store_true",
        help="build on this machine's root instead of a fresh Debian, in some 3 GB of memory",
    )
    parser.add_argument("--mirror", type=Path, help="folder with model files (as --build-context mirror=FOLDER)")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks", help="folder of IMAGE.md and image.json")
    parser.add_argument(
        "--work", type=Path, help="folder on a disk with 4 GB free; default: the one for temporary files"
    )
    return parser.parse_args()


def _prove(arguments: argparse.Namespace, work: Path) -> dict[str, Any]:
    dockerfile = read(ROOT / "Dockerfile")
    image_name = next(stage.base for stage in dockerfile.stages if not dockerfile.is_stage(stage.base))
    base = make_base(image_name, BASES, host=arguments.host, say=_say)
    _check_python(base, dockerfile)
    mirror = arguments.mirror or os.environ.get("ROLLCALL_MODELS__MIRROR")
    contexts = {"mirror": Path(mirror).resolve()} if mirror else {}
    context = Context(ROOT, (ROOT / ".dockerignore").read_text())
    builder = Builder(dockerfile, context, work, base=base.layers, contexts=contexts, say=_say)
    built = builder.build(dockerfile.target.name)
    layer = built.layer.upper
    with postgres.running() as dsn:
        checks = Checks(Image.of(built), work / "containers", dsn, _say)
        (work / "containers").mkdir()
        checks.run()
    parts = sizes.parts_of(layer, base)
    added = sizes.size_of(layer)
    return {
        "machine": machine_facts(),
        "base": base.what,
        "base_image": image_name,
        "python": dockerfile.arguments["PYTHON"],
        "size_bytes": sum(part.size_bytes for part in parts),
        "added_bytes": added,
        "compressed_bytes": _compressed(layer),
        "build_s": sum(stage.seconds for stage in builder.built),
        "start_to_ready_s": checks.start_to_ready_s,
        "limits": checks.limits,
        "ready_rss_mb": checks.ready_rss_mb,
        "peak_rss_mb": checks.peak_rss_mb,
        "parts": [asdict(part) for part in parts],
        "slimmed": sizes.slimmed(layer),
        "findings": [asdict(finding) for finding in checks.findings],
        "stages": [{"name": stage.stage.name, "seconds": round(stage.seconds, 1)} for stage in builder.built],
    }


def _check_python(base: Base, dockerfile: Dockerfile) -> None:
    wanted = dockerfile.arguments["PYTHON"]
    command = [shutil.which("chroot") or "/usr/sbin/chroot", str(base.layers[0]), "python3", "--version"]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    if not found or not found[-1].startswith(f"{wanted}."):
        raise NotPossible(f"the base's Python is {found[-1] if found else 'missing'}, the Dockerfile's {wanted}")


def _compressed(layer: Path) -> int:
    pack = subprocess.Popen(["tar", "-C", str(layer), "-c", "."], stdout=subprocess.PIPE)
    shrink = subprocess.Popen(["gzip", "-6"], stdin=pack.stdout, stdout=subprocess.PIPE)
    assert shrink.stdout is not None
    size = 0
    while part := shrink.stdout.read(1 << 20):
        size += len(part)
    pack.wait()
    shrink.wait()
    return size


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
