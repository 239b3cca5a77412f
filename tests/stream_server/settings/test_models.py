"""Which sources of model files are taken."""

import pytest
from pydantic import ValidationError

from stream_server.settings.models import ModelsSettings


@pytest.mark.parametrize(
    "given",
    [
        {"source": "s3://school/rollcall"},
        {"source": "gs://school/rollcall", "source_public": True},
        {"source": "https://files.example/rollcall/"},
        {"source": "http://127.0.0.1:9000/models"},
        {"source": "http://[::1]:9000/models"},
        {"source": "http://files.example/models", "source_allow_http": True},
        {"source": "s3://school", "source_endpoint": "https://minio.example:9000"},
        {"source": "s3://school", "source_endpoint": "http://localhost:9000"},
        {"source": "", "source_endpoint": ""},
    ],
)
def test_a_source_that_can_be_asked_is_taken(given: dict[str, object]) -> None:
    settings = ModelsSettings.model_validate(given)
    assert (settings.source is None) == (given["source"] == "")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"source": "files.example/models"}, "begins with s3://"),
        ({"source": "ftp://files.example/models"}, "begins with s3://"),
        ({"source": "file:///etc"}, "begins with s3://"),
        ({"source": "s3:///models"}, "begins with s3://"),
        ({"source": "http://files.example/models"}, "must be https"),
        ({"source": "http://localhost.example/models"}, "must be https"),
        ({"source": "https://files.example/models?token=geheim"}, "no \\? or #"),
        ({"source": "https://user:geheim@files.example:port/models"}, "no address"),
        ({"source": "s3://school", "source_endpoint": "http://minio.example:9000"}, "must be https"),
        ({"source": "s3://school", "source_endpoint": "minio.example:9000"}, "is an address such as"),
        ({"source": "gs://school", "source_endpoint": "https://minio.example"}, "belongs to a source"),
    ],
)
def test_any_other_is_refused_without_its_secrets(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words) as raised:
        ModelsSettings.model_validate(given)
    assert "geheim" not in "".join(item["msg"] for item in raised.value.errors())


def test_a_source_is_not_shown() -> None:
    assert "geheim" not in repr(ModelsSettings(source="https://user:geheim@files.example/models"))
