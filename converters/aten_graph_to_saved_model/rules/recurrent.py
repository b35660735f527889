"""Recurrent layers as loops over the sequence, so that its length stays free.

Gates, states and weights are torch's: https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html and GRU, RNN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from optimize.converters.aten_graph_to_saved_model import symbolic
from optimize.converters.aten_graph_to_saved_model.rules.registry import rule
from optimize.converters.aten_graph_to_saved_model.values import Value

Step = Callable[[Any, tuple[Any, ...]], tuple[Any, ...]]
"""(input's share of the gates, states) → states, the first of which is the output."""


def _lstm(weights: list[Value], biases: bool) -> Step:
    recurrent = _recurrent(weights, biases)
    project = _times(weights[-1]) if len(weights) in (3, 5) else None

    def step(gates: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
        hidden, cell = state
        i, f, g, o = tf.split(gates + recurrent(hidden), 4, -1)
        cell = tf.sigmoid(f) * cell + tf.sigmoid(i) * tf.tanh(g)
        hidden = tf.sigmoid(o) * tf.tanh(cell)
        return hidden if project is None else project(hidden), cell

    return step


def _gru(weights: list[Value], biases: bool) -> Step:
    recurrent = _recurrent(weights, biases)

    def step(gates: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
        (hidden,) = state
        reset_in, update_in, new_in = tf.split(gates, 3, -1)
        reset_h, update_h, new_h = tf.split(recurrent(hidden), 3, -1)
        update = tf.sigmoid(update_in + update_h)
        new = tf.tanh(new_in + tf.sigmoid(reset_in + reset_h) * new_h)
        return (new + update * (hidden - new),)

    return step


def _rnn(activation: Callable[[Any], Any]) -> Callable[[list[Value], bool], Step]:
    def make(weights: list[Value], biases: bool) -> Step:
        recurrent = _recurrent(weights, biases)
        return lambda gates, state: (activation(gates + recurrent(state[0])),)

    return make


def _times(weight: Value) -> Callable[[Any], Any]:
    matrix = weight.permuted([1, 0]).tensor
    return lambda x: tf.linalg.matmul(x, matrix)


def _recurrent(weights: list[Value], biases: bool) -> Callable[[Any], Any]:
    times = _times(weights[1])
    if not biases:
        return times
    bias = weights[3].tensor
    return lambda hidden: times(hidden) + bias


def _input_gates(x: Any, weights: list[Value], biases: bool) -> Any:
    """Of all steps in one product."""
    time, batch, features = symbolic.sizes(x)
    gates = tf.linalg.matmul(symbolic.reshape(x, [-1, features]), weights[0].permuted([1, 0]).tensor)
    gates = tf.nn.bias_add(gates, weights[2].tensor) if biases else gates
    return tf.reshape(gates, symbolic.shape([time, batch, weights[0].size(0)]))


def _sweep(gates: Any, state: tuple[Any, ...], step: Step, backwards: bool) -> tuple[Any, tuple[Any, ...]]:
    """Outputs (time, batch, hidden) in the input's own order, and the last states."""
    length = symbolic.sizes(gates)[0]
    steps = tf.TensorArray(gates.dtype, length, element_shape=gates.shape[1:]).unstack(gates)
    outputs = tf.TensorArray(state[0].dtype, length, element_shape=state[0].shape)

    def body(count: Any, outputs: Any, state: tuple[Any, ...]) -> tuple[Any, Any, tuple[Any, ...]]:
        at = length - 1 - count if backwards else count
        state = step(steps.read(at), state)
        return count + 1, outputs.write(at, state[0]), state

    _, outputs, state = tf.while_loop(lambda count, *_: count < length, body, (tf.constant(0), outputs, state))
    return outputs.stack(), state


def _layers(
    x: Any, states: Sequence[Any], params: list[Value], biases: bool, layers: int, both_ways: bool, make: Any
) -> tuple[Any, list[Any]]:
    """x (time, batch, features); each state (layers · directions, batch, hidden)."""
    directions = 2 if both_ways else 1
    per = len(params) // (layers * directions)
    finals: list[tuple[Any, ...]] = []
    for layer in range(layers):
        outputs = []
        for backwards in range(directions):
            at = layer * directions + backwards
            weights = params[at * per : (at + 1) * per]
            gates = _input_gates(x, weights, biases)
            output, final = _sweep(gates, tuple(s[at] for s in states), make(weights, biases), bool(backwards))
            outputs.append(output)
            finals.append(final)
        x = tf.concat(outputs, -1) if both_ways else outputs[0]
    return x, [tf.stack(parts) for parts in zip(*finals, strict=True)]


def _run(
    make: Any,
    x: Value,
    states: list[Value],
    params: list[Value],
    biases: bool,
    layers: int,
    dropout: float,
    train: bool,
    both_ways: bool,
    batch_first: bool,
) -> list[Any]:
    if train and dropout > 0:
        raise ValueError("dropout is on: the model is in training mode")
    time_first = x.permuted([1, 0, 2]) if batch_first else x
    output, finals = _layers(time_first.tensor, [s.tensor for s in states], params, biases, layers, both_ways, make)
    return [Value(output).permuted([1, 0, 2]) if batch_first else output, *finals]


@rule("aten.lstm.input", lazy=True)
def lstm(
    context: Any,
    input: Value,
    hx: list[Value],
    params: list[Value],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> list[Any]:
    return _run(_lstm, input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first)


def _register(name: str, make: Any) -> None:
    @rule(f"aten.{name}.input", lazy=True)
    def recurrent(
        context: Any,
        input: Value,
        hx: Value,
        params: list[Value],
        has_biases: bool,
        num_layers: int,
        dropout: float,
        train: bool,
        bidirectional: bool,
        batch_first: bool,
    ) -> list[Any]:
        return _run(make, input, [hx], params, has_biases, num_layers, dropout, train, bidirectional, batch_first)


_register("gru", _gru)
_register("rnn_tanh", _rnn(tf.tanh))
_register("rnn_relu", _rnn(tf.nn.relu))


def _cell(make: Any, x: Value, state: list[Value], w_ih: Value, w_hh: Value, b_ih: Any, b_hh: Any) -> tuple[Any, ...]:
    biases = b_ih is not None
    weights = [w_ih, w_hh, b_ih, b_hh] if biases else [w_ih, w_hh]
    gates = tf.linalg.matmul(x.tensor, w_ih.permuted([1, 0]).tensor)
    gates = gates + b_ih.tensor if biases else gates
    return tuple(make(weights, biases)(gates, tuple(s.tensor for s in state)))


@rule("aten.lstm_cell.default", lazy=True)
def lstm_cell(context: Any, input: Value, hx: list[Value], w_ih: Value, w_hh: Value, b_ih: Any, b_hh: Any) -> list[Any]:
    return list(_cell(_lstm, input, hx, w_ih, w_hh, b_ih, b_hh))


def _register_cell(name: str, make: Any) -> None:
    @rule(f"aten.{name}_cell.default", lazy=True)
    def cell(context: Any, input: Value, hx: Value, w_ih: Value, w_hh: Value, b_ih: Any, b_hh: Any) -> Any:
        return _cell(make, input, [hx], w_ih, w_hh, b_ih, b_hh)[0]


_register_cell("gru", _gru)
_register_cell("rnn_tanh", _rnn(tf.tanh))
_register_cell("rnn_relu", _rnn(tf.nn.relu))
