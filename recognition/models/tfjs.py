"""Reading TensorFlow.js models: weight manifests with 8-bit weights, and the node list of graph models.

Format: https://github.com/tensorflow/tfjs, `tfjs-core/src/io/types.ts` and `weights_loader` of
`tfjs-core/src/io/io_utils.ts`.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recognition.errors import ModelError

_WIDTHS: dict[str, np.dtype[Any]] = {
    "float32": np.dtype("<f4"),
    "int32": np.dtype("<i4"),
    "uint8": np.dtype("u1"),
    "uint16": np.dtype("<u2"),
}

Weights = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class TfNode:
    """One operation of a graph model. `attributes` holds str, int, bool, or lists of str or int."""

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Any]


def read_manifest(manifest: bytes, shards: Mapping[str, bytes]) -> Weights:
    """The weights of a layers model, by name: arrays in the shape and order that TensorFlow.js uses.

    `shards` maps the file names that the manifest lists to their bytes. ModelError `model_source_invalid`
    when the manifest is not understood or the bytes do not fill it exactly.
    """
    return _read_groups(_parse(manifest), shards)


def read_graph(model: bytes, shards: Mapping[str, bytes]) -> tuple[list[TfNode], Weights]:
    """The nodes of a graph model, in an order in which inputs come first, and its weights by node name.

    Errors as for `read_manifest`.
    """
    document = _parse(model)
    if not isinstance(document, dict) or document.get("format") != "graph-model":
        raise _invalid("it is no TensorFlow.js graph model")
    try:
        nodes = [_read_node(node) for node in document["modelTopology"]["node"]]
        groups = document["weightsManifest"]
    except (KeyError, TypeError, ValueError) as error:
        raise _invalid(f"its topology is not understood: {error!r}") from error
    return nodes, _read_groups(groups, shards)


def _read_groups(groups: Any, shards: Mapping[str, bytes]) -> Weights:
    weights: Weights = {}
    try:
        for group in groups:
            data = b"".join(shards[path] for path in group["paths"])
            weights |= _read_group(group["weights"], data)
    except (KeyError, TypeError) as error:
        raise _invalid(f"its weight manifest is not understood: {error!r}") from error
    return weights


def _read_group(entries: Sequence[Mapping[str, Any]], data: bytes) -> Weights:
    weights: Weights = {}
    offset = 0
    for entry in entries:
        shape = tuple(int(side) for side in entry["shape"])
        quantisation = entry.get("quantization")
        dtype = _WIDTHS[(quantisation or entry)["dtype"]]
        count = int(np.prod(shape, dtype=np.int64))
        end = offset + count * dtype.itemsize
        if end > len(data):
            raise _invalid(f"its weights end within {entry['name']!r}")
        raw = np.frombuffer(data, dtype, count, offset).reshape(shape)
        weights[entry["name"]] = _dequantise(raw, quantisation) if quantisation else raw
        offset = end
    if offset != len(data):
        raise _invalid(f"{len(data) - offset} bytes are left after its last weight")
    return weights


def _dequantise(raw: NDArray[Any], quantisation: Mapping[str, Any]) -> NDArray[np.float32]:
    # In double precision and element by element, as JavaScript does it: the same bits on every machine.
    return (raw.astype(np.float64) * float(quantisation["scale"]) + float(quantisation["min"])).astype(np.float32)


def _read_node(node: Mapping[str, Any]) -> TfNode:
    attributes = {
        key: _read_attribute(value) for key, value in node.get("attr", {}).items() if key not in ("value", "shape")
    }
    return TfNode(node["name"], node["op"], tuple(node.get("input", ())), attributes)


def _read_attribute(value: Mapping[str, Any]) -> Any:
    if "list" in value:
        entries = value["list"]
        return (
            [_text(item) for item in entries["s"]] if "s" in entries else [int(item) for item in entries.get("i", ())]
        )
    if "s" in value:
        return _text(value["s"])
    if "i" in value:
        return int(value["i"])
    return next(iter(value.values()), None)


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode()


def _parse(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise _invalid("it is no JSON") from error


def _invalid(why: str) -> ModelError:
    return ModelError(
        f"A TensorFlow.js model cannot be read: {why}.",
        hint="The package is not the pinned one. Run `rollcall models build` again.",
        code="model_source_invalid",
    )
