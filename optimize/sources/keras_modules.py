"""A Keras model as a `torch.nn.Module`: the same file, loaded on Keras' torch backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from optimize.artifact import Artifact
from optimize.errors import Unsupported, UserError
from optimize.sources.keras_calls import KerasCall, find_inputs
from optimize.sources.keras_files import load_keras


def build_module(model: Artifact) -> Any:
    """Takes the signature's inputs by position. Raises Unsupported: what has run on TensorFlow and fails here is no
    fault of the file, but of this path."""
    import torch

    class KerasModule(torch.nn.Module):
        """`layers` are torch's own layers, which do the work of Keras' layers of the same names."""

        def __init__(self) -> None:
            super().__init__()
            self.model, self._call = _load(model)
            self.layers = torch.nn.ModuleDict()
            _stand_in(self.model, self.layers, open_length=len(model.signature.dimensions) > 1)

        def forward(self, *tensors: Any) -> Any:
            return self._call(tensors)

        def __deepcopy__(self, memo: Any) -> Any:
            # Keras copies a model by saving and loading it, which loses the layers that stand in.
            return build_module(model)

    return KerasModule().eval().requires_grad_(False)


def _load(model: Artifact) -> tuple[Any, KerasCall]:
    try:
        loaded = load_keras(model, "torch")
        return loaded, KerasCall(loaded, find_inputs(loaded, model.signature))
    except UserError as error:
        raise Unsupported(f"on Keras' torch backend: {error.message}") from error


def _stand_in(model: Any, layers: Any, open_length: bool) -> None:
    """Give what torch has an equal of to torch.

    Keras runs an LSTM or a GRU in a loop of Python, which a trace unrolls at the example's length; and torch quantizes
    `nn.Linear`, but no `keras.layers.Dense`.
    """
    import keras

    for index, layer in enumerate(model._flatten_layers()):
        key = f"{index}_{layer.name}".replace(".", "_")
        kind = type(layer)
        if kind is keras.layers.Dense and _plain(layer):
            layers[key] = _linear(layer)
            layer.call = _dense_call(layer, layers, key)
        elif kind in (keras.layers.LSTM, keras.layers.GRU) and _plain(layer) and _usual_gates(layer):
            layers[key] = _recurrent(layer)
            layer.inner_loop = _inner_loop(layer, layers, key, open_length)
        elif isinstance(layer, keras.layers.RNN) and open_length:
            layer.inner_loop = _refuse(layer.name)


def _plain(layer: Any) -> bool:
    return layer.built and layer.compute_dtype == "float32" and not getattr(layer, "quantization_mode", None)


def _usual_gates(layer: Any) -> bool:
    import keras

    return (
        layer.activation is keras.activations.tanh
        and layer.recurrent_activation is keras.activations.sigmoid
        and getattr(layer, "reset_after", True)
        and not layer.stateful
    )


def _linear(layer: Any) -> Any:
    import torch

    kernel = layer.kernel.value.detach()
    made = torch.nn.Linear(*kernel.shape, bias=layer.use_bias)
    made.load_state_dict({"weight": kernel.T} | ({"bias": layer.bias.value.detach()} if layer.use_bias else {}))
    return made


def _dense_call(layer: Any, layers: Any, key: str) -> Callable[..., Any]:
    def call(inputs: Any, training: Any = None) -> Any:
        result = layers[key](inputs)
        return result if layer.activation is None else layer.activation(result)

    return call


def _recurrent(layer: Any) -> Any:
    """Keras' gates of an LSTM are i, f, c, o, as torch's; those of a GRU z, r, h, where torch has r, z, n."""
    import torch

    kernel, recurrent = (w.value.detach().T for w in (layer.cell.kernel, layer.cell.recurrent_kernel))
    width = recurrent.shape[1]
    gates = (0, 1, 2, 3) if isinstance(layer, _keras_lstm()) else (1, 0, 2)
    rows = torch.cat([torch.arange(gate * width, (gate + 1) * width) for gate in gates])
    state = {"weight_ih_l0": kernel[rows], "weight_hh_l0": recurrent[rows]}
    if layer.use_bias:
        bias = layer.cell.bias.value.detach()  # [2, gates] in a GRU: of the inputs, and of the state.
        inputs, states = bias if bias.ndim == 2 else (bias, torch.zeros_like(bias))
        state |= {"bias_ih_l0": inputs[rows], "bias_hh_l0": states[rows]}
    kind = torch.nn.LSTM if len(gates) == 4 else torch.nn.GRU
    made = kind(kernel.shape[1], width, bias=layer.use_bias, batch_first=True)
    made.load_state_dict(state)
    return made


def _keras_lstm() -> Any:
    import keras

    return keras.layers.LSTM


def _inner_loop(layer: Any, layers: Any, key: str, open_length: bool) -> Callable[..., Any]:
    """As `RNN.inner_loop`: the last output, all outputs, the states."""
    keras_loop = layer.inner_loop

    def loop(sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> Any:
        if mask is not None:
            if open_length:
                raise Unsupported(f"layer {layer.name} has a mask: {STEP_BY_STEP}")
            return keras_loop(sequences, initial_state, mask, training)
        states = [state.unsqueeze(0) for state in initial_state]
        outputs, last = layers[key](
            sequences.flip(1) if layer.go_backwards else sequences, tuple(states) if len(states) > 1 else states[0]
        )
        return outputs[:, -1], outputs, [state.squeeze(0) for state in (last if isinstance(last, tuple) else (last,))]

    return loop


STEP_BY_STEP = "Keras runs it step by step on torch, which fixes the length of the sequence"


def _refuse(name: str) -> Callable[..., Any]:
    def loop(*arguments: Any, **keywords: Any) -> Any:
        raise Unsupported(f"layer {name} has no equal in torch: {STEP_BY_STEP}")

    return loop
