"""Install the Debian packages that tests need: run by `make test`.

On Debian (or Ubuntu) as root the packages of `system_packages.txt` are installed when they are missing. Elsewhere
nothing happens: the tests that need them are skipped, each with its reason, and counted at the end of the run.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

LIST = Path(__file__).with_name("system_packages.txt")


def wanted() -> list[str]:
    lines = (line.split("#")[0].strip() for line in LIST.read_text().splitlines())
    return [line for line in lines if line]


def missing(packages: list[str]) -> list[str]:
    done = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *packages],
        capture_output=True,
        text=True,
        check=False,
    )
    installed = {line.split()[0] for line in done.stdout.splitlines() if line.endswith(" installed")}
    return [package for package in packages if package not in installed]


def main() -> int:
    if shutil.which("dpkg-query") is None or shutil.which("apt-get") is None:
        print("This is no Debian: tests that need system packages are skipped.")
        return 0
    packages = missing(wanted())
    if not packages:
        return 0
    if os.geteuid() != 0:
        print(f"Not root: tests that need {', '.join(packages)} are skipped (apt-get install {' '.join(packages)}).")
        return 0
    print(f"installing {', '.join(packages)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        done = subprocess.run(
            ["apt-get", "--quiet=2", *command], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            print(
                f"apt-get {command[0]} failed; tests that need {', '.join(packages)} are skipped:\n{done.stderr[-800:]}"
            )
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
