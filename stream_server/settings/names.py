"""Names of settings that nobody knows: one that is misspelt would otherwise have no effect, without a word."""

import difflib
from collections.abc import Iterable, Iterator

from pydantic import BaseModel

PREFIX = "ROLLCALL_"
# Read by the tests, not by the server.
_OTHERS = frozenset({"ROLLCALL_TEST_FACES"})
# These have a name of their own, and this one besides.
_SECOND_NAMES = frozenset({"ROLLCALL_DATABASE_URL", "ROLLCALL_NGROK_AUTHTOKEN"})


def variables(model: type[BaseModel], prefix: str = PREFIX) -> Iterator[str]:
    """Every variable of a model of settings and of its groups; a group, as JSON, may be one variable too."""
    for name, field in model.model_fields.items():
        variable = prefix + name.upper()
        yield variable
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from variables(field.annotation, f"{variable}__")


def strangers(given: Iterable[str], model: type[BaseModel]) -> list[str]:
    """What is wrong with each name that begins like a setting and is none, with the nearest that is one."""
    known = {*variables(model), *_SECOND_NAMES}
    problems = []
    for name in sorted({name.upper() for name in given}):
        if not name.startswith(PREFIX) or name in known or name in _OTHERS:
            continue
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
        problems.append(f"{name}: there is no such setting" + (f"; did you mean {near[0]}?" if near else ""))
    return problems
