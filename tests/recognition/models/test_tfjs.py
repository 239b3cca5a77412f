import base64
import json

import numpy as np
import pytest

from recognition.errors import ModelError
from recognition.models import tfjs


def manifest(*weights: dict, paths: tuple[str, ...] = ("a.bin",)) -> bytes:
    return json.dumps([{"paths": paths, "weights": weights}]).encode()


def test_eight_bit_weights_become_floats_by_scale_and_least_value() -> None:
    entry = {
        "name": "w",
        "shape": [2, 2],
        "dtype": "float32",
        "quantization": {"dtype": "uint8", "scale": 0.5, "min": -1.0},
    }
    weights = tfjs.read_manifest(manifest(entry), {"a.bin": bytes([0, 1, 2, 255])})
    assert weights["w"].dtype == np.float32
    assert weights["w"].tolist() == [[-1.0, -0.5], [0.0, 126.5]]


def test_weights_follow_each_other_over_several_shards() -> None:
    entries = ({"name": "a", "shape": [3], "dtype": "int32"}, {"name": "b", "shape": [], "dtype": "float32"})
    data = np.array([1, 2, 3], "<i4").tobytes() + np.float32(0.25).tobytes()
    weights = tfjs.read_manifest(
        manifest(*entries, paths=("x", "y")),
        {"x": data[:5], "y": data[5:]},
    )
    assert weights["a"].tolist() == [1, 2, 3]
    assert weights["b"].item() == 0.25


@pytest.mark.parametrize(
    ("data", "why"), [(b"\0" * 7, "end within 'w'"), (b"\0" * 9, "1 bytes are left")], ids=["short", "long"]
)
def test_a_shard_of_the_wrong_length_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(ModelError, match=why) as caught:
        tfjs.read_manifest(manifest({"name": "w", "shape": [2], "dtype": "float32"}), {"a.bin": data})
    assert caught.value.code == "model_source_invalid"


@pytest.mark.parametrize(
    "text",
    [b"no json", b'{"a": 1}', b"[1]", manifest({"name": "w", "shape": [1], "dtype": "float7"}), manifest(paths=("b",))],
    ids=["no json", "an object", "no groups", "unknown type", "missing shard"],
)
def test_a_manifest_that_is_not_understood_is_refused(text: bytes) -> None:
    with pytest.raises(ModelError):
        tfjs.read_manifest(text, {"a.bin": b""})


def graph(nodes: list[dict]) -> bytes:
    document = {
        "format": "graph-model",
        "modelTopology": {"node": nodes},
        "weightsManifest": [{"paths": [], "weights": []}],
    }
    return json.dumps(document).encode()


def test_the_attributes_of_a_graph_node_are_plain_values() -> None:
    same = base64.b64encode(b"SAME").decode()
    node = {
        "name": "n",
        "op": "Conv2D",
        "input": ["x", "w"],
        "attr": {
            "padding": {"s": same},
            "strides": {"list": {"i": ["1", "2", "2", "1"]}},
            "fused_ops": {"list": {"s": [same]}},
            "explicit_paddings": {"list": {}},
            "axis": {"i": "3"},
        },
    }
    (read,), weights = tfjs.read_graph(graph([node]), {})
    assert (read.name, read.op, read.inputs) == ("n", "Conv2D", ("x", "w"))
    assert read.attributes == {
        "padding": "SAME",
        "strides": [1, 2, 2, 1],
        "fused_ops": ["SAME"],
        "explicit_paddings": [],
        "axis": 3,
    }
    assert weights == {}


@pytest.mark.parametrize("text", [b"{}", b"[]", graph([{"op": "nameless"}])], ids=["empty", "a list", "nameless"])
def test_what_is_no_graph_model_is_refused(text: bytes) -> None:
    with pytest.raises(ModelError):
        tfjs.read_graph(text, {})
