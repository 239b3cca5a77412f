"""A day as it comes over the wire: written like 2026-01-31, in queries and bodies alike."""

import re
from datetime import date
from typing import Annotated

from pydantic import BeforeValidator

_WRITTEN = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _written_day(value: object) -> object:
    # A number would be taken for seconds since 1970.
    if not isinstance(value, date) and not (isinstance(value, str) and _WRITTEN.fullmatch(value)):
        raise ValueError("a day is written like 2026-01-31")
    return value


Day = Annotated[date, BeforeValidator(_written_day)]
