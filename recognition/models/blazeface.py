"""BlazeFace (256 pixels, six key points) from a TensorFlow.js graph model to ONNX.

It finds faces where YuNet cannot be had. The graph takes what the original takes, with channels before
rows, and joins its two scales:

    input    float32 (N, 3, 256, 256), channels in the order red, green, blue, values x / 127.5 - 1
    scores   float32 (N, 896), before the sigmoid
    boxes    float32 (N, 896, 16): centre x, y, width, height, then six points x, y

All 16 values are pixels of the input; the centre and the points count from the anchor's centre.

Anchors 0..511 are 16 x 16 cells of 16 pixels with two each, 512..895 are 8 x 8 cells of 32 pixels with six
each, row by row; an anchor's centre is its cell's centre. Points: right eye, left eye, nose tip, mouth
centre, right ear, left ear (the person's own sides), the order of `LandmarkLayout.SIX`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recognition.errors import ModelError
from recognition.models.face_recognition import IR_VERSION, OPSET
from recognition.models.tfjs import TfNode, Weights

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

SIDE_PX = 256
ANCHORS = 896

# Which of the graph's outputs is what; the finer scale comes first.
_SCORES = ("Identity", "Identity_1")
_BOXES = ("Identity_2", "Identity_3")


def anchor_centres() -> NDArray[np.float32]:
    """Centres of the anchors in pixels of the input: float32 (896, 2), x before y."""
    centres = [
        ((column + 0.5) * SIDE_PX / cells, (row + 0.5) * SIDE_PX / cells)
        for cells, per_cell in ((16, 2), (8, 6))
        for row in range(cells)
        for column in range(cells)
        for _ in range(per_cell)
    ]
    return np.array(centres, np.float32)


def build(nodes: Sequence[TfNode], weights: Weights) -> "ModelProto":
    """The ONNX network from a graph model (see `tfjs.read_graph`).

    The result is the same, bit for bit, on every machine. ModelError `model_source_invalid` when the graph
    holds an operation that BlazeFace does not.
    """
    return _Converter(weights).model(nodes)


class _Converter:
    """Nodes in the making. `_shapes` holds (channels, height, width) of tensors, for TensorFlow's padding."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, TensorProto] = {}
        self._names: dict[str, str] = {}
        self._shapes: dict[str, tuple[int, int, int]] = {}

    def model(self, nodes: Sequence[TfNode]) -> "ModelProto":
        from onnx import TensorProto, checker, helper

        for number, node in enumerate(nodes):
            if node.op == "Const":
                continue
            self._names[node.name] = "input" if node.op == "Placeholder" else f"{number}/{node.op}"
            self._convert(node)
        self._add("Concat", "scores/joined", [self._names[name] for name in _SCORES], axis=1)
        self._add("Flatten", "scores", ["scores/joined"], axis=1)
        self._add("Concat", "boxes", [self._names[name] for name in _BOXES], axis=1)

        graph = helper.make_graph(
            self._nodes,
            "blazeface",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, SIDE_PX, SIDE_PX])],
            [
                helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", ANCHORS]),
                helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["N", ANCHORS, 16]),
            ],
            list(self._constants.values()),
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="rollcall",
        )
        checker.check_model(model, full_check=True)
        return model

    def _convert(self, node: TfNode) -> None:
        match node.op:
            case "Placeholder":
                self._shapes[node.name] = (3, SIDE_PX, SIDE_PX)
            case "_FusedConv2D":
                self._convolve(node, self._weights[node.inputs[1]].transpose(3, 2, 0, 1), groups=1)
            case "DepthwiseConv2dNative":
                # (height, width, channel, 1) -> (channel, 1, height, width)
                self._convolve(
                    node, self._weights[node.inputs[1]].transpose(2, 3, 0, 1), groups=self._shape_of(node)[0]
                )
            case "AddV2" | "Relu" | "Identity":
                self._emit("Add" if node.op == "AddV2" else node.op, node)
                self._shapes[node.name] = self._shape_of(node)
            case "MaxPool":
                self._pool(node)
            case "Pad":
                self._pad(node)
            case "Reshape":
                self._reshape(node)
            case _:
                raise _unexpected(f"the operation {node.op}")

    def _convolve(self, node: TfNode, filters: NDArray[Any], *, groups: int) -> None:
        name = self._names[node.name]
        stride = node.attributes["strides"][1]
        height, width = filters.shape[2:]
        pads, shape = self._window(node, (height, width), stride)
        fused = node.attributes.get("fused_ops", [])
        if fused not in ([], ["BiasAdd"], ["BiasAdd", "Relu"]):
            raise _unexpected(f"the fused operations {fused}")
        inputs = [self._names[node.inputs[0]], self._constant(f"{name}/filters", filters)]
        if fused:
            inputs.append(self._constant(f"{name}/bias", self._weights[node.inputs[2]]))
        output = f"{name}/sum" if "Relu" in fused else name
        self._add(
            "Conv",
            output,
            inputs,
            kernel_shape=[height, width],
            strides=[stride] * 2,
            pads=pads,
            group=groups,
        )
        if "Relu" in fused:
            self._add("Relu", name, [output])
        self._shapes[node.name] = (filters.shape[0], *shape)

    def _pool(self, node: TfNode) -> None:
        kernel, stride = node.attributes["ksize"][1], node.attributes["strides"][1]
        pads, shape = self._window(node, (kernel, kernel), stride)
        self._emit("MaxPool", node, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads)
        self._shapes[node.name] = (self._shape_of(node)[0], *shape)

    def _pad(self, node: TfNode) -> None:
        before, after = self._weights[node.inputs[1]].T[:, [0, 3, 1, 2]]
        amounts = self._constant(f"{self._names[node.name]}/amounts", np.concatenate([before, after]).astype(np.int64))
        self._add("Pad", self._names[node.name], [self._names[node.inputs[0]], amounts])
        channels, height, width = (
            side + int(more) for side, more in zip(self._shape_of(node), (before + after)[1:], strict=True)
        )
        self._shapes[node.name] = (channels, height, width)

    def _reshape(self, node: TfNode) -> None:
        name = self._names[node.name]
        # TensorFlow keeps channels last, and the order of the anchors depends on it. The 0 keeps the batch
        # size.
        self._add("Transpose", f"{name}/channels_last", [self._names[node.inputs[0]]], perm=[0, 2, 3, 1])
        shape = np.array([0, *self._weights[node.inputs[1]][1:]], np.int64)
        self._add("Reshape", name, [f"{name}/channels_last", self._constant(f"{name}/shape", shape)])
        self._shapes[node.name] = self._shape_of(node)

    def _window(self, node: TfNode, kernel: tuple[int, int], stride: int) -> tuple[list[int], tuple[int, int]]:
        """ONNX `pads` and the output's height and width, after TensorFlow's rules for SAME and VALID."""
        sides = self._shape_of(node)[1:]
        match node.attributes["padding"]:
            case "VALID":
                height, width = ((side - k) // stride + 1 for side, k in zip(sides, kernel, strict=True))
                return [0] * 4, (height, width)
            case "SAME":
                height, width = (-(-side // stride) for side in sides)
                total = [
                    max((out - 1) * stride + k - side, 0)
                    for out, k, side in zip((height, width), kernel, sides, strict=True)
                ]
                return [*(t // 2 for t in total), *(t - t // 2 for t in total)], (height, width)
            case other:
                raise _unexpected(f"the padding {other}")

    def _shape_of(self, node: TfNode) -> tuple[int, int, int]:
        return self._shapes[node.inputs[0]]

    def _emit(self, op: str, node: TfNode, **attributes: Any) -> None:
        self._add(op, self._names[node.name], [self._names[name] for name in node.inputs], **attributes)

    def _add(self, op: str, output: str, inputs: list[str], **attributes: Any) -> None:
        from onnx import helper

        self._nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))

    def _constant(self, name: str, values: NDArray[Any]) -> str:
        from onnx import numpy_helper

        self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name


def _unexpected(what: str) -> ModelError:
    return ModelError(
        f"The BlazeFace graph cannot be converted: it holds {what}, which is not understood.",
        hint="The package is not the pinned one. Run `rollcall models build` again.",
        code="model_source_invalid",
    )
