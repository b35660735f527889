"""Recurrent layers as loops over the sequence, so that its length stays free.

Gates, states and weights are ONNX's: https://onnx.ai/onnx/operators/onnx__LSTM.html and GRU, RNN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from optimize.converters.aten_graph_to_saved_model import symbolic
from optimize.converters.aten_graph_to_saved_model.values import Value, Weight, derive
from optimize.converters.onnx_to_saved_model.rules.registry import rule

Activation = Callable[[Any], Any]
Step = Callable[[Any, tuple[Any, ...]], tuple[Any, ...]]
"""(input's share of the gates, states) → states, the first of which is the output."""


_SIMPLE: dict[str, Activation] = {
    "relu": tf.nn.relu,
    "sigmoid": tf.sigmoid,
    "softplus": tf.math.softplus,
    "softsign": tf.nn.softsign,
    "tanh": tf.tanh,
}


def _activations(node: Any, defaults: Sequence[str], directions: int) -> list[list[Activation]]:
    """Per direction."""
    names = [name.lower() for name in node.get("activations", [])] or list(defaults) * directions
    alphas, betas = (iter(node.get(f"activation_{letter}", [])) for letter in ("alpha", "beta"))
    found = [_activation(name, alphas, betas) for name in names]
    per = len(defaults)
    return [found[at * per : (at + 1) * per] for at in range(directions)]


def _activation(name: str, alphas: Any, betas: Any) -> Activation:
    if name in _SIMPLE:
        return _SIMPLE[name]
    if name == "leakyrelu":
        slope = next(alphas, 0.01)
        return lambda x: tf.nn.leaky_relu(x, slope)
    if name == "hardsigmoid":
        scale, shift = next(alphas, 0.2), next(betas, 0.5)
        return lambda x: tf.clip_by_value(scale * x + shift, 0, 1)
    raise ValueError(f"activation {name} has no rule")


class _Layer:
    """One direction's weights, and how they multiply."""

    def __init__(self, node: Any, w: Value, r: Value, bias: Value | None, at: int, gates: int) -> None:
        self.gates = gates
        self.size = int(r.shape[2] or 0)
        self.input = _matrix(w, at)
        self.recurrent = _matrix(r, at)
        self.input_bias, self.recurrent_bias = _biases(bias, at, gates * self.size)
        bound = node.get("clip")
        self.clip: Activation = (lambda x: x) if bound is None else lambda x: tf.clip_by_value(x, -bound, bound)

    def of_input(self, x: Any, bias: Any) -> Any:
        """Of all steps in one product: (time, batch, features) → (time, batch, gates · size)."""
        time, batch, features = symbolic.sizes(x)
        flat = tf.linalg.matmul(symbolic.reshape(x, [-1, features]), self.input)
        flat = flat if bias is None else tf.nn.bias_add(flat, bias)
        return tf.reshape(flat, symbolic.shape([time, batch, self.gates * self.size]))

    def both_biases(self) -> Any:
        return None if self.input_bias is None else self.input_bias + self.recurrent_bias


def _matrix(weights: Value, at: int) -> Any:
    """(directions, gates · size, in) → one direction's (in, gates · size)."""
    if isinstance(weights, Weight):
        return derive(f"direction{at}", lambda array: array[at].T, weights).tensor
    return tf.transpose(weights.tensor[at])


def _biases(bias: Value | None, at: int, size: int) -> tuple[Any, Any]:
    if bias is None:
        return None, None
    if isinstance(bias, Weight):
        parts = [(f"input{at}", slice(None, size)), (f"recurrent{at}", slice(size, None))]
        first, second = (derive(name, lambda array, part=part: array[at, part], bias).tensor for name, part in parts)
        return first, second
    return bias.tensor[at, :size], bias.tensor[at, size:]


def _lstm(layer: _Layer, functions: list[Activation], peepholes: Any, coupled: bool) -> Step:
    gate, candidate, output = functions
    p_in, p_out, p_forget = (0, 0, 0) if peepholes is None else tf.split(peepholes, 3)

    def step(gates: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
        hidden, cell = state
        i, o, f, c = tf.split(gates + tf.linalg.matmul(hidden, layer.recurrent), 4, -1)
        i = gate(layer.clip(i if peepholes is None else i + p_in * cell))
        f = 1 - i if coupled else gate(layer.clip(f if peepholes is None else f + p_forget * cell))
        cell = f * cell + i * candidate(layer.clip(c))
        o = gate(layer.clip(o if peepholes is None else o + p_out * cell))
        return o * output(cell), cell

    return step


def _gru(layer: _Layer, functions: list[Activation], reset_after: bool) -> Step:
    """`reset_after` is `linear_before_reset`, which is how torch and Keras have it."""
    gate, candidate = functions
    size = layer.size

    def new_state(new_in: Any, reset: Any, hidden: Any, new_h: Any) -> Any:
        if reset_after:
            return candidate(layer.clip(new_in + reset * new_h))
        share = tf.linalg.matmul(reset * hidden, layer.recurrent[:, 2 * size :])
        return candidate(layer.clip(new_in + _plus(share, layer.recurrent_bias, 2 * size)))

    def step(gates: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
        (hidden,) = state
        update_in, reset_in, new_in = tf.split(gates, 3, -1)
        times = layer.recurrent if reset_after else layer.recurrent[:, : 2 * size]
        share = tf.linalg.matmul(hidden, times)
        bias = layer.recurrent_bias
        share = share if bias is None else share + (bias if reset_after else bias[: 2 * size])
        update_h, reset_h, *new_h = tf.split(share, 3 if reset_after else 2, -1)
        update, reset = gate(layer.clip(update_in + update_h)), gate(layer.clip(reset_in + reset_h))
        new = new_state(new_in, reset, hidden, new_h[0] if new_h else None)
        return (new + update * (hidden - new),)

    return step


def _plus(x: Any, bias: Any, start: int) -> Any:
    return x if bias is None else x + bias[start:]


def _rnn(layer: _Layer, functions: list[Activation]) -> Step:
    (activation,) = functions
    return lambda gates, state: (activation(layer.clip(gates + tf.linalg.matmul(state[0], layer.recurrent))),)


def _sweep(gates: Any, state: tuple[Any, ...], step: Step, lengths: Any) -> tuple[Any, tuple[Any, ...]]:
    """Outputs (time, batch, hidden), zero beyond a sequence's end, and each sequence's last states."""
    length = symbolic.sizes(gates)[0]
    steps = tf.TensorArray(gates.dtype, length, element_shape=gates.shape[1:]).unstack(gates)
    shape = tf.TensorShape([None, state[0].shape[-1]])
    outputs = tf.TensorArray(state[0].dtype, length, element_shape=shape)

    def body(at: Any, outputs: Any, state: tuple[Any, ...]) -> tuple[Any, Any, tuple[Any, ...]]:
        new = step(steps.read(at), state)
        output = new[0]
        if lengths is not None:
            running = (at < lengths)[:, None]
            output = tf.where(running, output, tf.zeros_like(output))
            new = tuple(tf.where(running, a, b) for a, b in zip(new, state, strict=True))
        return at + 1, outputs.write(at, output), new

    invariants = (tf.TensorShape([]), tf.TensorShape(None), tuple(tf.TensorShape([None, s.shape[-1]]) for s in state))
    start = (tf.constant(0), outputs, state)
    _, outputs, state = tf.while_loop(lambda at, *_: at < length, body, start, shape_invariants=invariants)
    return outputs.stack(), state


def _reversed(x: Any, lengths: Any) -> Any:
    return tf.reverse(x, [0]) if lengths is None else tf.reverse_sequence(x, lengths, 0, 1)


def _layers(
    node: Any,
    x: Value,
    sizes: Value | None,
    states: list[Value | None],
    size: int,
    make: Callable[[int], tuple[Any, Any, Step]],
) -> list[Any]:
    """`make(direction)` gives the layer, the bias of its input's share, and its step."""
    batch_first = node.get("layout", 0) == 1
    x = x.permuted([1, 0, 2]) if batch_first else x
    lengths = None if sizes is None else tf.cast(sizes.tensor, tf.int32)
    outputs, finals = [], []
    for at in range(2 if node.get("direction") == "bidirectional" else 1):
        backwards = at == 1 or node.get("direction") == "reverse"
        layer, bias, step = make(at)
        start = tuple(_state(value, at, x, size, batch_first) for value in states)
        data = _reversed(x.tensor, lengths) if backwards else x.tensor
        output, final = _sweep(layer.of_input(data, bias), start, step, lengths)
        outputs.append(_reversed(output, lengths) if backwards else output)
        finals.append(final)
    axis = 1 if batch_first else 0
    last = [tf.stack(parts, axis) for parts in zip(*finals, strict=True)]
    # (time, directions, batch, size), or (batch, time, directions, size).
    return [tf.transpose(tf.stack(outputs, 1), (2, 0, 1, 3)) if batch_first else tf.stack(outputs, 1), *last]


def _state(given: Value | None, at: int, x: Value, size: int, batch_first: bool) -> Any:
    if given is None:
        return tf.zeros(symbolic.shape([x.size(1), size]), x.dtype)
    state = given.tensor[:, at] if batch_first else given.tensor[at]
    return tf.ensure_shape(state, [None, size])


@rule("LSTM")
def lstm(
    node: Any, x: Value, w: Value, r: Value, bias: Value | None = None, lengths: Value | None = None,
    hidden: Value | None = None, cell: Value | None = None, peepholes: Value | None = None,
) -> list[Any]:  # fmt: skip
    functions = _activations(node, ("sigmoid", "tanh", "tanh"), int(w.shape[0] or 0))

    def make(at: int) -> tuple[Any, Any, Step]:
        layer = _Layer(node, w, r, bias, at, 4)
        holes = None if peepholes is None else peepholes.tensor[at]
        return layer, layer.both_biases(), _lstm(layer, functions[at], holes, bool(node.get("input_forget")))

    return _layers(node, x, lengths, [hidden, cell], int(r.shape[2] or 0), make)


@rule("GRU")
def gru(
    node: Any,
    x: Value,
    w: Value,
    r: Value,
    bias: Value | None = None,
    lengths: Value | None = None,
    hidden: Value | None = None,
) -> list[Any]:
    functions = _activations(node, ("sigmoid", "tanh"), int(w.shape[0] or 0))

    def make(at: int) -> tuple[Any, Any, Step]:
        layer = _Layer(node, w, r, bias, at, 3)
        return layer, layer.input_bias, _gru(layer, functions[at], bool(node.get("linear_before_reset")))

    return _layers(node, x, lengths, [hidden], int(r.shape[2] or 0), make)


@rule("RNN")
def rnn(
    node: Any,
    x: Value,
    w: Value,
    r: Value,
    bias: Value | None = None,
    lengths: Value | None = None,
    hidden: Value | None = None,
) -> list[Any]:
    functions = _activations(node, ("tanh",), int(w.shape[0] or 0))

    def make(at: int) -> tuple[Any, Any, Step]:
        layer = _Layer(node, w, r, bias, at, 1)
        return layer, layer.both_biases(), _rnn(layer, functions[at])

    return _layers(node, x, lengths, [hidden], int(r.shape[2] or 0), make)
