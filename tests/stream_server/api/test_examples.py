import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

DESCRIPTION = json.loads((Path(__file__).resolve().parents[3] / "docs/openapi.json").read_text())
SHAPES: dict[str, Any] = DESCRIPTION["components"]["schemas"]
OBJECTS = [name for name, shape in SHAPES.items() if shape.get("type") == "object"]


@pytest.mark.parametrize("name", OBJECTS)
def test_every_shape_has_an_example_that_is_one(name: str) -> None:
    examples = SHAPES[name]["examples"]
    assert examples
    validator = jsonschema_rs.validator_for({**SHAPES[name], "components": DESCRIPTION["components"]})
    for example in examples:
        assert [error.message for error in validator.iter_errors(example)] == []


def test_examples_look_like_the_real_thing() -> None:
    assert SHAPES["PersonCreate"]["examples"][0] == {
        "name": "Ada Lovelace",
        "external_id": "s-1815",
        "consent": False,
        "consent_text": None,
    }
    (problem,) = SHAPES["Problem"]["examples"]
    assert problem["code"] == "person_not_found"
