import numpy as np
import onnxruntime
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from recognition.errors import ModelError
from recognition.models import blazeface
from recognition.models.tfjs import TfNode

Array = NDArray[np.float32]


def small_graph() -> tuple[list[TfNode], dict[str, NDArray]]:
    """Every operation that BlazeFace uses, once or a few times, and few channels."""
    random = np.random.default_rng(3)
    weights: dict[str, NDArray] = {}
    nodes = [TfNode("x", "Placeholder", (), {})]

    def constant(name: str, values: NDArray) -> str:
        weights[name] = values
        nodes.append(TfNode(name, "Const", (), {}))
        return name

    def convolve(name: str, x: str, side: int, into: int, out: int, stride: int, *, relu: bool, padding: str) -> str:
        filters = constant(f"{name}/f", random.normal(0, 0.3, (side, side, into, out)).astype(np.float32))
        bias = constant(f"{name}/b", random.normal(0, 0.3, out).astype(np.float32))
        fused = ["BiasAdd", "Relu"] if relu else ["BiasAdd"]
        attributes = {"strides": [1, stride, stride, 1], "padding": padding, "fused_ops": fused}
        nodes.append(TfNode(name, "_FusedConv2D", (x, filters, bias), attributes))
        return name

    def depthwise(name: str, x: str, channels: int, stride: int) -> str:
        filters = constant(f"{name}/f", random.normal(0, 0.3, (3, 3, channels, 1)).astype(np.float32))
        attributes = {"strides": [1, stride, stride, 1], "padding": "SAME"}
        nodes.append(TfNode(name, "DepthwiseConv2dNative", (x, filters), attributes))
        return name

    def emit(name: str, op: str, *inputs: str, **attributes: object) -> str:
        nodes.append(TfNode(name, op, inputs, attributes))
        return name

    x = convolve("c1", "x", 5, 3, 4, 2, relu=True, padding="SAME")
    short = emit("p1", "MaxPool", x, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID")
    short = emit("pad", "Pad", short, constant("pad/a", np.array([[0, 0], [0, 0], [0, 0], [0, 2]], np.int32)))
    x = convolve("c2", depthwise("d1", x, 4, 2), 1, 4, 6, 1, relu=False, padding="VALID")
    x = emit("relu", "Relu", emit("add", "AddV2", short, x))
    x = emit("p2", "MaxPool", x, ksize=[1, 4, 4, 1], strides=[1, 4, 4, 1], padding="SAME")
    coarse = depthwise("d2", x, 6, 2)
    heads = (("Identity", x, 2, 512, 1), ("Identity_2", x, 32, 512, 16))
    heads += (("Identity_1", coarse, 6, 384, 1), ("Identity_3", coarse, 96, 384, 16))
    for name, tensor, channels, anchors, values in heads:
        head = convolve(f"{name}/c", tensor, 1, 6, channels, 1, relu=False, padding="SAME")
        shape = constant(f"{name}/s", np.array([1, anchors, values], np.int32))
        emit(name, "Identity", emit(f"{name}/r", "Reshape", head, shape))
    return nodes, weights


def interpret(nodes: list[TfNode], weights: dict[str, NDArray], picture: Array) -> dict[str, Array]:
    """What TensorFlow would compute, in (height, width, channel)."""
    values: dict[str, NDArray] = dict(weights) | {"x": picture}
    for node in nodes:
        if node.op in ("Const", "Placeholder"):
            continue
        x, *others = (values[name] for name in node.inputs)
        match node.op:
            case "_FusedConv2D":
                y = np.einsum("hwcij,ijco->hwo", windows(node, x, others[0].shape[:2]), others[0]) + others[1]
                values[node.name] = np.maximum(y, 0) if "Relu" in node.attributes["fused_ops"] else y
            case "DepthwiseConv2dNative":
                values[node.name] = np.einsum("hwcij,ijc->hwc", windows(node, x, (3, 3)), others[0][..., 0])
            case "MaxPool":
                side = node.attributes["ksize"][1]
                values[node.name] = windows(node, x, (side, side)).max(axis=(3, 4))
            case "Pad":
                values[node.name] = np.pad(x, others[0][1:])
            case "AddV2":
                values[node.name] = x + others[0]
            case "Relu":
                values[node.name] = np.maximum(x, 0)
            case "Reshape":
                values[node.name] = x.reshape(others[0][1:])
            case "Identity":
                values[node.name] = x
    return values


def windows(node: TfNode, x: Array, kernel: tuple[int, int]) -> Array:
    stride = node.attributes["strides"][1]
    if node.attributes["padding"] == "SAME":
        total = max((-(-x.shape[0] // stride) - 1) * stride + kernel[0] - x.shape[0], 0)
        sides = (total // 2, total - total // 2)
        x = np.pad(x, (sides, sides, (0, 0)))
    return sliding_window_view(x, kernel, axis=(0, 1))[::stride, ::stride]


def test_the_converted_graph_computes_what_tensorflow_would() -> None:
    nodes, weights = small_graph()
    session = onnxruntime.InferenceSession(
        blazeface.build(nodes, weights).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    pictures = np.random.default_rng(4).uniform(-1, 1, (2, 256, 256, 3)).astype(np.float32)
    scores, boxes = session.run(["scores", "boxes"], {"input": pictures.transpose(0, 3, 1, 2)})
    for picture, score, box in zip(pictures, scores, boxes, strict=True):
        values = interpret(nodes, weights, picture)
        expected_scores = np.concatenate([values["Identity"], values["Identity_1"]])[:, 0]
        expected_boxes = np.concatenate([values["Identity_2"], values["Identity_3"]])
        assert score == pytest.approx(expected_scores, rel=1e-3, abs=1e-4)
        assert box == pytest.approx(expected_boxes, rel=1e-3, abs=1e-4)


def test_anchors_are_the_centres_of_their_cells_row_by_row() -> None:
    centres = blazeface.anchor_centres()
    assert centres.shape == (896, 2)
    assert centres[[0, 1, 2, 32, 511]].tolist() == [[8, 8], [8, 8], [24, 8], [8, 24], [248, 248]]
    assert centres[[512, 517, 518, 560, 895]].tolist() == [[16, 16], [16, 16], [48, 16], [16, 48], [240, 240]]


@pytest.mark.parametrize(
    ("op", "attributes", "named"),
    [
        ("Softmax", {}, "Softmax"),
        ("_FusedConv2D", {"strides": [1, 1, 1, 1], "padding": "SAME", "fused_ops": ["Elu"]}, "Elu"),
        ("_FusedConv2D", {"strides": [1, 1, 1, 1], "padding": "EXPLICIT"}, "EXPLICIT"),
    ],
)
def test_an_operation_that_is_not_understood_is_named(op: str, attributes: dict, named: str) -> None:
    nodes = [TfNode("x", "Placeholder", (), {}), TfNode("n", op, ("x", "w"), attributes)]
    with pytest.raises(ModelError, match=named) as caught:
        blazeface.build(nodes, {"w": np.zeros((1, 1, 3, 3), np.float32)})
    assert caught.value.code == "model_source_invalid"
