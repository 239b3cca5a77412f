"""Model files from an object store or a web server: fetched when they are missing, kept when they are the pinned ones.

Run it as a step of its own (`rollcall models fetch`): the library that speaks S3, GCS and HTTP then never stays in the
server's memory.
"""

import hashlib
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from recognition.errors import ModelError
from recognition.models.store import (
    BLAZEFACE,
    FACE_RECOGNITION_FP32,
    FACE_RECOGNITION_INT8,
    YUNET,
    FileState,
    ModelFile,
    ModelStore,
)
from stream_server.settings import Settings
from stream_server.settings.models import ModelsSettings

if TYPE_CHECKING:
    from obstore.store import ObjectStore

DETECTOR_FILES = {"auto": YUNET, "yunet": YUNET, "blazeface": BLAZEFACE}
EMBEDDER_FILES = {"int8": FACE_RECOGNITION_INT8, "fp32": FACE_RECOGNITION_FP32}

CONNECT_TIMEOUT_S = 5
# Of one file, tries included: a container that does not get its models had better say so soon.
TIMEOUT_S = 60
RETRIES = 3


class ModelSourceAway(ModelError):
    """The place that model files come from could not be reached, or does not have them."""

    code = "model_source_failed"


def wanted_files(settings: Settings) -> tuple[str, ...]:
    """The files that a server with these settings loads: a detector and a face network."""
    recognition = settings.recognition
    return DETECTOR_FILES[recognition.detector], EMBEDDER_FILES[recognition.precision]


def missing_files(settings: Settings) -> list[str]:
    """Which of them are not in the model folder as they should be."""
    store = ModelStore(settings.models_dir)
    return [name for name in wanted_files(settings) if store.state(name) is not FileState.OK]


def fetch(store: ModelStore, settings: ModelsSettings, names: Iterable[str]) -> list[str]:
    """Bring those files into `store.folder` that are missing or damaged there; returns which those were.

    ModelError: `model_source_failed`; `model_source_wrong_file` when what lies there is not the pinned file, of which
    nothing is kept; `model_folder_unwritable`; `obstore_missing`.
    """
    wanted = [name for name in names if store.state(name) is not FileState.OK]
    if not wanted:
        return []
    source = _open(settings)
    for name in wanted:
        store.write(name, _read(source, store.file(name), settings))
    return wanted


def where(settings: ModelsSettings) -> str:
    """The source as people may read it: without user, password and the like."""
    if settings.source is None:
        return "no source"
    parts = urlsplit(settings.source.get_secret_value())
    host = parts.hostname or ""
    if parts.port is not None:
        host = f"{host}:{parts.port}"
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))


def _open(settings: ModelsSettings) -> "ObjectStore":
    if settings.source is None:
        raise ModelSourceAway(
            "there is no source to fetch model files from", hint="set ROLLCALL_MODELS__SOURCE, or build them"
        )
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ModuleNotFoundError as error:
        raise ModelError(
            "fetching model files needs the Python package obstore",
            hint="install it, or copy the model folder from elsewhere",
            code="obstore_missing",
        ) from error
    address = settings.source.get_secret_value()
    scheme = urlsplit(address).scheme
    options: dict[str, Any] = {}
    if scheme == "s3" and settings.source_endpoint is not None:
        options["endpoint"] = settings.source_endpoint
    if scheme in ("s3", "gs") and settings.source_public:
        options["skip_signature"] = True
    try:
        return from_url(
            address.rstrip("/"),
            client_options={
                # Whether that is all right was decided when the settings were read.
                "allow_http": "http" in (scheme, urlsplit(settings.source_endpoint or "").scheme),
                "connect_timeout": f"{CONNECT_TIMEOUT_S}s",
                "timeout": f"{TIMEOUT_S}s",
            },
            retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=TIMEOUT_S)},
            **options,
        )
    except (BaseError, ValueError) as error:
        raise _failed(settings, type(error).__name__) from None  # its words may hold the address


def _read(source: "ObjectStore", file: ModelFile, settings: ModelsSettings) -> bytes:
    """The file's content, checked. No more of it is taken in than the pinned one has."""
    import obstore
    from obstore.exceptions import BaseError

    content = bytearray()
    try:
        for part in obstore.get(source, file.name).stream():
            content += part
            if len(content) > file.size_bytes:
                break
    except (BaseError, OSError) as error:
        raise _failed(
            settings, f"{file.name}: {_REASONS.get(type(error).__name__, 'no answer that can be used')}"
        ) from None
    if len(content) != file.size_bytes or hashlib.sha256(content).hexdigest() != file.sha256:
        raise ModelError(
            f"What lies at {where(settings)}/{file.name} is not the pinned file; nothing of it was kept.",
            hint=f"its sha256 must be {file.sha256}: upload it from a folder that `rollcall models verify` approves",
            code="model_source_wrong_file",
        )
    return bytes(content)


# The library's own words hold the whole address, and of a request its headers.
_REASONS = {
    "NotFoundError": "there is no such file",
    "PermissionDeniedError": "these keys may not read it",
    "UnauthenticatedError": "the keys are missing or wrong",
    "FileNotFoundError": "there is no such file",
    "PermissionError": "these keys may not read it",
}


def _failed(settings: ModelsSettings, why: str) -> ModelSourceAway:
    return ModelSourceAway(
        f"Model files could not be fetched from {where(settings)}: {why}.",
        hint="check ROLLCALL_MODELS__SOURCE, the keys that belong to it, and that the address can be reached from here",
    )
