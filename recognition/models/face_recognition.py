"""The face network of dlib (a ResNet with 29 convolutions, 128 values out) as an ONNX graph.

Architecture after `face_recognition_model_v1` of dlib (`examples/dnn_face_recognition_ex.cpp`) and its port
`src/faceRecognitionNet` in @vladmandic/face-api, whose weight names are used here.

Two things are folded into weights so that they cost nothing at run time: every convolution's scale layer,
and the normalisation (x - mean) / 256 of the input. The graph therefore takes chips as they are cut from a
picture:

    input      uint8 (N, 150, 150, 3), channels in the order blue, green, red
    embedding  float32 (N, 128), not normalised; compare by Euclidean distance
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

CHIP_SIDE_PX = 150
EMBEDDING_LENGTH = 128
OPSET = 17
IR_VERSION = 8
"""Old enough for ONNX Runtime in browsers and on small boards; nothing newer is needed."""

_MEAN_RGB = (122.782, 117.001, 104.298)
_DIVISOR = 256.0

_BLOCKS = (
    *(f"conv32_{i}" for i in (1, 2, 3)),
    "conv64_down",
    *(f"conv64_{i}" for i in (1, 2, 3)),
    "conv128_down",
    *(f"conv128_{i}" for i in (1, 2)),
    "conv256_down",
    *(f"conv256_{i}" for i in (1, 2)),
    "conv256_down_out",
)


def build(weights: Mapping[str, NDArray[np.float32]]) -> "ModelProto":
    """The float32 network from the weights of `face_recognition_model` (see `tfjs.read_manifest`).

    The result is the same, bit for bit, on every machine. KeyError when a weight is missing.
    """
    return _Graph(weights).model()


class _Graph:
    """Nodes and constants in the making."""

    def __init__(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        self._weights = weights
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []

    def model(self) -> "ModelProto":
        from onnx import TensorProto, checker, helper

        tensor, side = self._stem()
        channels = 32
        for block in _BLOCKS:
            down = "_down" in block
            tensor, side, channels = (self._down if down else self._plain)(block, tensor, side, channels)
        self._node("GlobalAveragePool", "mean", tensor)
        self._node("Flatten", "features", "mean", axis=1)
        self._node("MatMul", "embedding", "features", self._constant("fc", self._weights["fc"]))

        graph = helper.make_graph(
            self._nodes,
            "face_recognition",
            [helper.make_tensor_value_info("input", TensorProto.UINT8, ["N", CHIP_SIDE_PX, CHIP_SIDE_PX, 3])],
            [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", EMBEDDING_LENGTH])],
            self._constants,
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="rollcall",
        )
        checker.check_model(model, full_check=True)
        return model

    def _stem(self) -> tuple[str, int]:
        from onnx import TensorProto

        self._node("Transpose", "planes", "input", perm=[0, 3, 1, 2])
        self._node("Cast", "pixels", "planes", to=TensorProto.FLOAT)
        filters, bias = self._folded("conv32_down")
        filters, bias = _normalising(filters, bias)
        self._convolve("stem", "pixels", filters, bias, stride=2)
        self._node("Relu", "stem/relu", "stem")
        self._node("MaxPool", "stem/pool", "stem/relu", kernel_shape=[3, 3], strides=[2, 2])
        return "stem/pool", ((CHIP_SIDE_PX - 7) // 2 + 1 - 3) // 2 + 1

    def _plain(self, block: str, tensor: str, side: int, channels: int) -> tuple[str, int, int]:
        self._convolve(f"{block}/1", tensor, *self._folded(f"{block}/conv1"), pad=1)
        self._node("Relu", f"{block}/1/relu", f"{block}/1")
        self._convolve(f"{block}/2", f"{block}/1/relu", *self._folded(f"{block}/conv2"), pad=1)
        return self._join(block, f"{block}/2", tensor), side, channels

    def _down(self, block: str, tensor: str, side: int, channels: int) -> tuple[str, int, int]:
        side_conv, side_pool = (side - 3) // 2 + 1, side // 2
        self._convolve(f"{block}/1", tensor, *self._folded(f"{block}/conv1"), stride=2)
        self._node("Relu", f"{block}/1/relu", f"{block}/1")
        filters, bias = self._folded(f"{block}/conv2")
        # A 3x3 filter over a single pixel sees nothing but its centre; the other eight ninths need not be
        # kept.
        lone = side_conv == 1
        self._convolve(
            f"{block}/2",
            f"{block}/1/relu",
            filters[:, :, 1:2, 1:2] if lone else filters,
            bias,
            pad=0 if lone else 1,
        )
        path = f"{block}/2"
        if side_pool != side_conv:
            path = self._pad(path, below_right=side_pool - side_conv)
        self._node("AveragePool", f"{block}/pool", tensor, kernel_shape=[2, 2], strides=[2, 2])
        shortcut = f"{block}/pool"
        if filters.shape[0] != channels:
            shortcut = self._pad(shortcut, channels=filters.shape[0] - channels)
        return self._join(block, path, shortcut), side_pool, filters.shape[0]

    def _join(self, block: str, path: str, shortcut: str) -> str:
        self._node("Add", f"{block}/sum", path, shortcut)
        self._node("Relu", f"{block}/out", f"{block}/sum")
        return f"{block}/out"

    def _pad(self, tensor: str, *, channels: int = 0, below_right: int = 0) -> str:
        amounts = np.array([0, 0, 0, 0, 0, channels, below_right, below_right], np.int64)
        self._node("Pad", f"{tensor}/padded", tensor, self._constant(f"{tensor}/amounts", amounts))
        return f"{tensor}/padded"

    def _convolve(
        self,
        output: str,
        tensor: str,
        filters: NDArray[Any],
        bias: NDArray[Any],
        *,
        stride: int = 1,
        pad: int = 0,
    ) -> None:
        side = filters.shape[-1]
        self._node(
            "Conv",
            output,
            tensor,
            self._constant(f"{output}/filters", filters.astype(np.float32)),
            self._constant(f"{output}/bias", bias.astype(np.float32)),
            kernel_shape=[side, side],
            strides=[stride, stride],
            pads=[pad] * 4,
        )

    def _folded(self, layer: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Filters (out, in, height, width) and bias (out,) with the scale layer worked in."""
        filters = self._weights[f"{layer}/conv/filters"].astype(np.float64).transpose(3, 2, 0, 1)
        scale = self._weights[f"{layer}/scale/weights"].astype(np.float64)
        bias = self._weights[f"{layer}/conv/bias"] * scale + self._weights[f"{layer}/scale/biases"]
        return filters * scale[:, None, None, None], bias

    def _constant(self, name: str, values: NDArray[Any]) -> str:
        from onnx import numpy_helper

        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def _node(self, op: str, output: str, *inputs: str, **attributes: Any) -> None:
        from onnx import helper

        self._nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))


def _normalising(
    filters: NDArray[np.float64], bias: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same convolution for raw blue-green-red pixels. Exact, because the stem is not padded."""
    scaled = filters / _DIVISOR
    shift = scaled * np.array(_MEAN_RGB)[None, :, None, None]
    # fsum, not sum: the order of a vectorised sum depends on the processor, and the file must not.
    bias = bias - np.array([math.fsum(channel.ravel()) for channel in shift])
    return scaled[:, ::-1], bias
