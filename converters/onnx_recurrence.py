"""What follows a recurrent layer in a graph of torch's exporter, in fewer operators.

The exporter joins the direction axis of `[sequence, directions, batch, hidden]` to the hidden one by a transposition
and a reshape whose sizes eleven operators read off the tensor: no shape is known after it, and a small quantized LSTM
spends over 1 % of its time there. Of one direction it is a squeeze; of two, a reshape that keeps its first two sizes.
"""

from __future__ import annotations

from typing import Any

RECURRENT = frozenset({"LSTM", "GRU", "RNN"})
OUTPUT = (0, 2, 1, 3)
"""`[sequence, directions, batch, hidden]` with the directions beside what they are joined to."""


def recurrent_translations() -> dict[Any, Any]:
    """torch's own rules for ATen's recurrent operators, for those that stand in for them while tracing."""
    from onnxscript.function_libs.torch_lib.ops.core import aten_gru, aten_lstm

    from optimize.converters.traceable_layers import recurrent_operators

    ours = recurrent_operators()
    return {ours.lstm.default: aten_lstm, ours.gru.default: aten_gru}


def join_directions(model: Any) -> None:
    """In place, in an `onnx_ir.Model`."""
    from onnxscript.rewriter import RewritePass
    from onnxscript.rewriter.pattern import RewriteRule, RewriteRuleSet

    rules = RewriteRuleSet([RewriteRule(_joined, _replaced, _is_recurrent)])
    RewritePass(rules)(model)


def _joined(op: Any, layer: Any, one: Any, two: Any, three: Any, four: Any, nought: Any, rest: Any) -> Any:
    """The pattern: what the exporter writes behind each layer."""
    moved = op.Transpose(layer, perm=list(OUTPUT))
    sizes = op.Shape(moved, start=0)
    width = op.Reshape(op.Mul(op.Slice(sizes, two, three), op.Slice(sizes, three, four)), rest, allowzero=0)
    shape = op.Concat(op.Slice(sizes, nought, one), op.Slice(sizes, one, two), width, axis=0)
    return op.Reshape(moved, shape, allowzero=0)


def _is_recurrent(context: Any, layer: Any, **known: Any) -> bool:
    producer = layer.producer()
    expected = {"nought": 0, "one": 1, "two": 2, "three": 3, "four": 4, "rest": -1}
    return (
        producer is not None
        and producer.op_type in RECURRENT
        and all(_integer(known[name]) == value for name, value in expected.items())
    )


def _integer(value: Any) -> int | None:
    """A constant's only number."""
    from onnx_ir.convenience import get_const_tensor

    tensor = get_const_tensor(value)
    return int(tensor.numpy().item()) if tensor is not None and tensor.size == 1 else None


def _replaced(op: Any, layer: Any, **_: Any) -> Any:
    direction = layer.producer().attributes.get_string("direction", "forward")
    if direction != "bidirectional":
        return op.Squeeze(layer, _constant(op, 1))
    return op.Reshape(op.Transpose(layer, perm=list(OUTPUT)), _constant(op, 0, 0, -1))


def _constant(op: Any, *numbers: int) -> Any:
    """As a tensor: ONNX Runtime's shape inference reads constants of no other kind."""
    import onnx_ir

    return op.Constant(value=onnx_ir.tensor(list(numbers), dtype=onnx_ir.DataType.INT64))
