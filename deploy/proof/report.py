"""Writes benchmarks/image.json and benchmarks/IMAGE.md."""

import json
from pathlib import Path
from typing import Any

AIM_BYTES = 600_000_000
LIMIT_BYTES = 1_000_000_000
BUILD_AIM_S = 300


def write(document: dict[str, Any], folder: Path) -> None:
    """Both files, from one document."""
    (folder / "image.json").write_text(json.dumps(document, indent=2) + "\n")
    (folder / "IMAGE.md").write_text(page(document))


def page(document: dict[str, Any]) -> str:
    """The page for people."""
    size, seconds, machine = document["size_bytes"], document["build_s"], document["machine"]
    lines = [
        "# The image, measured without an engine",
        "",
        "Written by `make image-proof`, which performs the steps of the [Dockerfile](../Dockerfile) in fresh roots and",
        "runs what comes out of them; `image.json` holds the same. No container engine and no image registry were at",
        f"hand. What stands for the base image `{document['base_image']}` is",
        f"{document['base']}, whose size this is; that of the image itself cannot be known",
        "here. All other figures are of the very files.",
        "",
        "| What | Measured | Aim |",
        "|---|---:|---:|",
        f"| Size in all | {_mb(size)} | ≤ {_mb(AIM_BYTES)} |",
        f"| Added to the base | {_mb(document['added_bytes'])} |  |",
        f"| The same, compressed (gzip), as it is pulled | {_mb(document['compressed_bytes'])} |  |",
        f"| Build, nothing cached, one step at a time | {seconds:.0f} s | ≤ {BUILD_AIM_S} s |",
        f"| Empty database to ready, within the limits below | {document['start_to_ready_s']:.1f} s | ≤ 10 s |",
        f"| Memory of the server when it is ready | {document['ready_rss_mb']:.0f} MB |  |",
        f"| Its peak, with photographs of 2.5 megapixels | {document['peak_rss_mb']:.0f} MB |  |",
        "",
        f"Measured on {machine['cpu']}, {machine['cores']} cores, Python {document['python']} in the image, "
        f"{machine['date']}, commit {machine['commit']}.",
        "",
        "## Part by part",
        "",
        "| Part | Size |",
        "|---|---:|",
        *(f"| {part['name']} | {_mb(part['size_bytes'])} |" for part in document["parts"]),
        "",
        "## What was cut out of the packages",
        "",
        "By [deploy/slim.py](../deploy/slim.py), with the reasons:",
        "",
        "| Cut | What | Files | Less |",
        "|---|---|---:|---:|",
        *(
            f"| {row['cut']} | {row['why']} | {row['files']} | {_mb(row['size_bytes'])} |"
            for row in document["slimmed"]
        ),
        f"| | in all | | {_mb(sum(row['size_bytes'] for row in document['slimmed']))} |",
        "",
        "Hollow: the library is replaced by an empty one with the same symbols, because others are linked to it.",
        "",
        "## What was checked",
        "",
        "The container ran as an engine would run it: process 1 of its own process namespace, its user, no",
        "capabilities, `no_new_privs`, a root that cannot be written to, `/data` and a `/tmp` of 16 MB; against a",
        f"PostgreSQL outside. Limits while it served: {document['limits']}.",
        "",
        "| Check | Found |",
        "|---|---|",
        *(f"| {finding['check']} | {finding['found']} |" for finding in document["findings"]),
        "",
        "## Where the time of the build went",
        "",
        "| Stage | Time |",
        "|---|---:|",
        *(f"| {stage['name']} | {stage['seconds']:.1f} s |" for stage in document["stages"]),
        "",
    ]
    return "\n".join(lines)


def _mb(size_bytes: int) -> str:
    megabytes = size_bytes / 1e6
    return f"{megabytes:.1f} MB" if megabytes < 100 else f"{megabytes:.0f} MB"
