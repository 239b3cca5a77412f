"""A step of the image's build: `python -m deploy.build_models FOLDER [MIRROR]` makes every model file, and tries it.

`rollcall models build` without the server, so that a change of the server does not make the models anew. Unlike it, it
fails when YuNet cannot be had: nobody reads the warnings of an image's build.
"""

import sys
from pathlib import Path

from recognition.errors import ModelError
from recognition.models import selftest
from recognition.models.build import Action, build
from recognition.models.store import ModelStore


def main(arguments: list[str]) -> int:
    """Exit code 1, with the reason, when a file is missing or computes something else than it should."""
    if len(arguments) not in (1, 2):
        print("usage: python -m deploy.build_models FOLDER [MIRROR]", file=sys.stderr)
        return 2
    store = ModelStore(Path(arguments[0]))
    mirror = Path(arguments[1]) if len(arguments) == 2 else None
    try:
        outcomes = build(store, mirror=mirror, progress=lambda what, done, total: print(f"{done}/{total} {what}"))
        problems = [f"{one.name}: {one.warning}" for one in outcomes if one.action is Action.UNAVAILABLE or one.warning]
        for name in store.pack.files:
            if not problems and (test := selftest.test_of(name)):
                problem = test(store.folder, store.path(name).read_bytes())
                problems += [f"{name}: {problem}"] if problem else []
    except ModelError as error:
        problems = [str(error)]
    for text in problems:
        print(text, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
