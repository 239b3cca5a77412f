"""From the float32 face network to int8: static, per channel, with calibrated ranges, written as QDQ nodes.

Every stored template carries the digest of the file made here, so two machines must make the same bytes.
Therefore the weights are rounded by plain arithmetic, and the calibrated ranges, which differ between
processors in their last digits, are widened to a coarse grid before anything is made of them.

The scheme: activations uint8 per tensor, weights int8 per output channel with seven bits (`reduce_range`:
products of 8-bit weights overflow the 16-bit sums of x86 processors without VNNI), biases int32. The input
chip is uint8 already and enters as it is, with scale 1. The last matrix stays float32: it costs nothing and
its output is the embedding.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

Range = tuple[float, float]

_WEIGHT_MAX = 63  # seven bits, symmetric
_GRID_BITS = 4
_SAME_SCALE = frozenset({"MaxPool", "Pad"})  # these only move values about, so their output has their input's range
_RANGED = frozenset({"Conv", "Add", "AveragePool"})


def measure_ranges(model: "ModelProto", chips: NDArray[np.uint8]) -> dict[str, Range]:
    """The least and greatest value of every activation to be quantised, over `chips` (n, 150, 150, 3)."""
    import onnx
    import onnxruntime

    names = [output for node, output in _activations(model.graph.node) if node.op_type not in _SAME_SCALE]
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    probe.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(probe.SerializeToString(), options, providers=["CPUExecutionProvider"])

    ranges = dict.fromkeys(names, (0.0, 0.0))
    for chip in chips:
        for name, values in zip(names, session.run(names, {"input": chip[None]}), strict=True):
            low, high = ranges[name]
            ranges[name] = (min(low, float(values.min())), max(high, float(values.max())))
    return ranges


def widen(limit: float) -> float:
    """`limit`, moved away from zero to the next number with four significant bits (12.5 % at most)."""
    mantissa, exponent = math.frexp(limit)
    steps = mantissa * 2**_GRID_BITS
    return math.ldexp(math.ceil(steps) if steps > 0 else math.floor(steps), exponent - _GRID_BITS)


def quantise(model: "ModelProto", ranges: Mapping[str, Range]) -> "ModelProto":
    """The int8 network. `ranges` come from `measure_ranges`; KeyError when one is missing."""
    return _Quantiser(model, ranges).model()


def _activations(nodes: Sequence["NodeProto"]) -> list[tuple["NodeProto", str]]:
    """Each node whose result is quantised, with the tensor to quantise: that of a following Relu, if any."""
    relu_after = {node.input[0]: node.output[0] for node in nodes if node.op_type == "Relu"}
    return [
        (node, relu_after.get(node.output[0], node.output[0]))
        for node in nodes
        if node.op_type in _RANGED | _SAME_SCALE
    ]


class _Quantiser:
    """Copies the graph node by node and puts a quantise-dequantise pair behind every activation."""

    def __init__(self, model: "ModelProto", ranges: Mapping[str, Range]) -> None:
        from onnx import numpy_helper

        self._model = model
        self._ranges = ranges
        self._values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, TensorProto] = {}
        self._renamed: dict[str, str] = {}
        # Scale and zero point by the name of the float tensor.
        self._grid: dict[str, tuple[np.float32, np.uint8]] = {}

    def model(self) -> "ModelProto":
        from onnx import checker, helper

        nodes = self._model.graph.node
        quantised_after = {output: node for node, output in _activations(nodes)}
        for node in nodes:
            if node.op_type == "Cast":
                self._take_pixels(node)
                continue
            inputs = [self._renamed.get(name, name) for name in node.input]
            if node.op_type == "Conv":
                inputs[1:] = self._filters_and_bias(node)
            self._copy(node, inputs)
            if node.output[0] in quantised_after:
                self._pair(node.output[0], self._grid_of(quantised_after[node.output[0]], node.output[0]))
        graph = helper.make_graph(
            self._nodes,
            f"{self._model.graph.name}_int8",
            self._model.graph.input,
            self._model.graph.output,
            list(self._constants.values()),
        )
        model = helper.make_model(
            graph,
            opset_imports=self._model.opset_import,
            ir_version=self._model.ir_version,
            producer_name=self._model.producer_name,
        )
        checker.check_model(model, full_check=True)
        return model

    def _grid_of(self, node: "NodeProto", tensor: str) -> tuple[np.float32, np.uint8]:
        if node.op_type in _SAME_SCALE:
            return self._grid[node.input[0]]
        low, high = (widen(limit) for limit in self._ranges[tensor])
        scale = (high - low) / 255
        return np.float32(scale), np.uint8(round(-low / scale))

    def _take_pixels(self, node: "NodeProto") -> None:
        """The bytes of the chip are the quantised values: dequantise with scale 1 instead of casting."""
        self._grid[node.output[0]] = (np.float32(1), np.uint8(0))
        self._dequantise(node.input[0], node.output[0], *self._grid[node.output[0]])

    def _pair(self, tensor: str, grid: tuple[np.float32, np.uint8]) -> None:
        from onnx import helper

        self._grid[tensor] = grid
        scale, zero = self._constant(f"{tensor}/scale", grid[0]), self._constant(f"{tensor}/zero", grid[1])
        quantised = f"{tensor}/quantised"
        self._nodes.append(
            helper.make_node("QuantizeLinear", [tensor, scale, zero], [quantised], name=f"{tensor}/quantise")
        )
        self._renamed[tensor] = f"{tensor}/dequantised"
        self._dequantise(quantised, self._renamed[tensor], *grid)

    def _dequantise(self, tensor: str, output: str, scale: np.float32, zero: np.uint8) -> None:
        from onnx import helper

        names = [tensor, self._constant(f"{output}/scale", scale), self._constant(f"{output}/zero", zero)]
        self._nodes.append(helper.make_node("DequantizeLinear", names, [output], name=output))

    def _filters_and_bias(self, node: "NodeProto") -> list[str]:
        filters, bias = (self._values[name].astype(np.float64) for name in node.input[1:])
        limit = np.abs(filters).max(axis=(1, 2, 3))
        scale = (np.where(limit > 0, limit, 1) / _WEIGHT_MAX).astype(np.float32)
        steps = np.rint(filters / scale.astype(np.float64)[:, None, None, None]).astype(np.int8)
        bias_scale = scale * self._grid[node.input[0]][0]
        bias_steps = np.rint(bias / bias_scale.astype(np.float64)).astype(np.int32)
        return [
            self._dequantised_constant(node.input[1], steps, scale),
            self._dequantised_constant(node.input[2], bias_steps, bias_scale),
        ]

    def _dequantised_constant(
        self, name: str, steps: NDArray[np.int8] | NDArray[np.int32], scale: NDArray[np.float32]
    ) -> str:
        from onnx import helper

        names = [
            self._constant(f"{name}/quantised", steps),
            self._constant(f"{name}/scale", scale),
            self._constant(f"{name}/zero", np.zeros(len(scale), steps.dtype)),
        ]
        self._nodes.append(helper.make_node("DequantizeLinear", names, [name], name=name, axis=0))
        return name

    def _copy(self, node: "NodeProto", inputs: list[str]) -> None:
        copied = type(node)()
        copied.CopyFrom(node)
        copied.input[:] = inputs
        self._nodes.append(copied)
        for name in inputs:
            if name in self._values and node.op_type != "Conv":
                self._constant(name, self._values[name])

    def _constant(self, name: str, values: NDArray[np.generic] | np.generic) -> str:
        from onnx import numpy_helper

        self._constants[name] = numpy_helper.from_array(np.asarray(values), name)
        return name
