"""all-MiniLM-L6-v2 as an ONNX graph, made from its safetensors weights without torch.

The graph is the encoder of BERT (https://arxiv.org/abs/1810.04805, post-norm) with mean pooling and L2 normalisation,
in standard operators only: the engine fuses them when it loads the graph. Raise `CONVERTER_VERSION` with every change
of what is written, because converted graphs are cached.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

CONVERTER_VERSION = 1
LAYERS, HEADS, WIDTH = 6, 12, 384
EPSILON = 1e-12  # of the layer norms
MASKED = 1e9  # taken from the attention scores of padding, whose weights become exactly 0
OPSET, IR_VERSION = 20, 9  # opset 20 is the first with Gelu

Array = npt.NDArray[Any]


def read_safetensors(path: Path) -> dict[str, npt.NDArray[np.float32]]:
    """The float32 tensors of a file, as read-only views of it.

    Format: 8 bytes little-endian header length, a JSON header with dtype, shape and byte offsets, then the data
    (https://github.com/huggingface/safetensors#format).
    """
    data = np.memmap(path, dtype=np.uint8, mode="r")
    start = 8 + int.from_bytes(data[:8].tobytes(), "little")
    header: dict[str, Any] = json.loads(data[8:start].tobytes())
    return {
        name: data[start + tensor["data_offsets"][0] : start + tensor["data_offsets"][1]]
        .view(np.float32)
        .reshape(tensor["shape"])
        for name, tensor in header.items()
        if tensor.get("dtype") == "F32"
    }


class _Graph:
    """An ONNX graph being written: `op` and `const` return the name of what they add."""

    def __init__(self, weights: dict[str, npt.NDArray[np.float32]]) -> None:
        self.weights = weights
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def op(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        from onnx import helper

        output = output or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def const(self, value: Array | list[int] | float) -> str:
        from onnx import numpy_helper

        array = np.asarray(value, dtype=np.int64 if isinstance(value, list) else np.float32)
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def dense(self, x: str, prefix: str) -> str:
        """x·Wᵀ + b."""
        product = self.op("MatMul", x, self.const(self.weights[f"{prefix}.weight"].T))
        return self.op("Add", product, self.const(self.weights[f"{prefix}.bias"]))

    def norm(self, x: str, prefix: str) -> str:
        scale, bias = (self.const(self.weights[f"{prefix}.{name}"]) for name in ("weight", "bias"))
        return self.op("LayerNormalization", x, scale, bias, epsilon=EPSILON)

    def embeddings(self, ids: str) -> str:
        """Words + positions + token type 0, normalised: (batch, tokens) -> (batch, tokens, WIDTH)."""
        position = self.weights["embeddings.position_embeddings.weight"]
        token_type = self.weights["embeddings.token_type_embeddings.weight"][0]
        words = self.op("Gather", self.const(self.weights["embeddings.word_embeddings.weight"]), ids)
        tokens = self.op("Shape", ids, start=1, end=2)
        positions = self.op("Slice", self.const(position + token_type), self.const([0]), tokens, self.const([0]))
        return self.norm(self.op("Add", words, positions), "embeddings.LayerNorm")

    def attention(self, x: str, prefix: str, bias: str) -> str:
        def heads(name: str, *axes: int) -> str:
            split = self.op("Reshape", self.dense(x, f"{prefix}.self.{name}"), by_head)
            return self.op("Transpose", split, perm=axes)

        by_head = self.const([0, 0, HEADS, WIDTH // HEADS])
        scores = self.op("MatMul", heads("query", 0, 2, 1, 3), heads("key", 0, 2, 3, 1))
        scores = self.op("Div", scores, self.const(math.sqrt(WIDTH / HEADS)))
        chances = self.op("Softmax", self.op("Add", scores, bias), axis=-1)
        mixed = self.op("Transpose", self.op("MatMul", chances, heads("value", 0, 2, 1, 3)), perm=[0, 2, 1, 3])
        mixed = self.op("Reshape", mixed, self.const([0, 0, WIDTH]))
        return self.dense(mixed, f"{prefix}.output.dense")

    def layer(self, x: str, prefix: str, bias: str) -> str:
        attended = self.op("Add", self.attention(x, f"{prefix}.attention", bias), x)
        x = self.norm(attended, f"{prefix}.attention.output.LayerNorm")
        inner = self.op("Gelu", self.dense(x, f"{prefix}.intermediate.dense"))
        return self.norm(self.op("Add", self.dense(inner, f"{prefix}.output.dense"), x), f"{prefix}.output.LayerNorm")


def write_graph(weights: Path, target: Path) -> None:
    """Write `target`: inputs `ids` int64 and `mask` float32 (1 token, 0 padding), both (batch, tokens); output
    `embedding` float32 (batch, WIDTH), unit vectors."""
    import onnx
    from onnx import TensorProto, helper

    graph = _Graph(read_safetensors(weights))
    hidden = graph.op("Sub", "mask", graph.const(1.0))  # 0 for a token, -1 for padding
    bias = graph.op("Unsqueeze", graph.op("Mul", hidden, graph.const(MASKED)), graph.const([1, 2]))
    x = graph.embeddings("ids")
    for number in range(LAYERS):
        x = graph.layer(x, f"encoder.layer.{number}", bias)
    kept = graph.op("Mul", x, graph.op("Unsqueeze", "mask", graph.const([2])))
    # The sum is enough: dividing it by the number of tokens would not change its direction.
    total = graph.op("ReduceSum", kept, graph.const([1]), keepdims=0)
    graph.op("LpNormalization", total, output="embedding", axis=1, p=2)

    described = helper.make_graph(
        graph.nodes,
        "all-MiniLM-L6-v2",
        [
            helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "tokens"]),
            helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["batch", "tokens"]),
        ],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", WIDTH])],
        graph.constants,
    )
    model = helper.make_model(described, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.save(model, target)
