"""What an API token may be given: the rights that are scopes, in the order in which they are shown.

Apart from `rights`, so that neither message nor command loads the table of endpoints to name them.
"""

from typing import Literal, get_args

Scope = Literal["read", "stream", "recognise", "punch", "roster", "people", "cameras", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
