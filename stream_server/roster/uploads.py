"""Large request bodies, kept on disk while they are worked on."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.requests import Request

from recognition.errors import RequestError

READ_TIMEOUT_S = 600.0


@asynccontextmanager
async def uploaded(request: Request) -> AsyncIterator[Path]:
    """The body as a file, which goes when the block ends. The route's size limit holds.

    Raises RequestError `empty_body` or `body_too_slow`.
    """
    with tempfile.TemporaryDirectory(prefix="rollcall-upload-") as folder:
        path = Path(folder) / "upload"
        size = 0
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                with path.open("wb") as file:
                    async for chunk in request.stream():
                        size += len(chunk)
                        await asyncio.to_thread(file.write, chunk)
        except TimeoutError:
            raise RequestError(
                f"the file did not arrive within {READ_TIMEOUT_S:.0f} s", hint="send less", code="body_too_slow"
            ) from None
        if size == 0:
            raise RequestError("the body is empty", hint="send the file itself as the body", code="empty_body")
        yield path
