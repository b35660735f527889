"""What tracing with `torch.export` needs of layers that no trace can follow as they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any


@contextmanager
def traceable_layers(module: Any) -> Iterator[None]:
    """Replace, while tracing, what torch's own layers do that no trace can follow; graph modules inside `module` are
    changed for good.

    Tracing `aten::lstm` unrolls the sequence, which fixes its length and the batch: recurrent layers become operators
    of our own that know nothing but their results' shapes. `nn.Transformer*` looks into a mask to see whether it is the
    causal one, to choose a faster kernel: the mask itself says the same. `torch.max_pool1d` fixes the length;
    `torch.max_pool2d` does not. `torch.meshgrid` without `indexing` has no decomposition that accepts it.
    """
    _recur_by_our_operators(module)
    with ExitStack() as stack:
        for owner, name, replacement in _replacements():
            stack.enter_context(_replaced(owner, name, replacement))
        yield


def _replacements() -> list[tuple[Any, str, Any]]:
    import torch
    from torch.nn.modules import rnn, transformer

    meshgrid = torch.functional._meshgrid
    return [
        (rnn, "_VF", _Recurrence(rnn._VF)),
        (transformer, "_detect_is_causal_mask", lambda mask, is_causal=None, size=None: bool(is_causal)),
        (torch, "max_pool1d", _max_pool1d),
        (torch.functional, "_meshgrid", lambda *tensors, indexing=None: meshgrid(*tensors, indexing=indexing or "ij")),
    ]


@contextmanager
def _replaced(owner: Any, name: str, replacement: Any) -> Iterator[None]:
    kept = getattr(owner, name)
    setattr(owner, name, replacement)
    try:
        yield
    finally:
        setattr(owner, name, kept)


def _max_pool1d(
    x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Any:
    import torch

    def row(amount: Any, other: int) -> list[int]:
        return [other, amount[0] if isinstance(amount, list | tuple) else amount]

    steps = row(stride or kernel_size, 1)
    flat = torch.max_pool2d(x[..., None, :], row(kernel_size, 1), steps, row(padding, 0), row(dilation, 1), ceil_mode)
    return flat[..., 0, :]


class _Recurrence:
    """Stands for `torch._VF` inside `torch.nn.modules.rnn`."""

    def __init__(self, functions: Any) -> None:
        self._functions = functions
        self._operators = recurrent_operators()

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._functions, name)
        if name not in _RECURRENT:
            return function

        def call(*arguments: Any) -> Any:
            # A packed sequence has its batch sizes second, which moves the flag `has_biases` from here.
            unpacked = isinstance(arguments[3], bool)
            return getattr(self._operators, name)(*arguments) if unpacked else function(*arguments)

        return call


_RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")
_LIBRARIES: list[Any] = []  # a torch.library.Library takes its operators with it when it is collected


def recurrent_operators() -> Any:
    """`torch.ops.optimize`, with the schemas of ATen's own recurrent operators."""
    import torch

    if not _LIBRARIES:
        library = torch.library.Library("optimize", "FRAGMENT")
        _LIBRARIES.append(library)
        for name in _RECURRENT:
            original = getattr(torch.ops.aten, name).input
            library.define(str(original._schema).removeprefix("aten::").replace(f"{name}.input", name))
            library.impl(name, original, "CompositeExplicitAutograd")
            torch.library.register_fake(f"optimize::{name}", _recurrence_shapes, lib=library)
    return torch.ops.optimize


def _recurrence_shapes(x: Any, state: Any, weights: Any, *options: Any) -> Any:
    """x [time, batch, features], or batch first; each state [layers * directions, batch, hidden].

    The output's last axis is the hidden size of all directions, which an LSTM with a projection shortens.
    """
    states = list(state) if isinstance(state, list | tuple) else [state]
    both_ways, batch_first = options[-2:]
    hidden = states[0].shape[-1] * (2 if both_ways else 1)
    # As the real kernels do: computed time first, so that the batch-first result is a transposed view.
    leading = [x.shape[1], x.shape[0]] if batch_first else [x.shape[0], x.shape[1]]
    output = x.new_empty([*leading, hidden])
    return (output.transpose(0, 1) if batch_first else output, *(s.new_empty(s.shape) for s in states))


def _recur_by_our_operators(module: Any) -> None:
    """In graphs that were made from an earlier trace or from TorchScript the operators stand already."""
    import torch

    for part in module.modules():
        if isinstance(part, torch.fx.GraphModule):
            ours = recurrent_operators()
            _replace_targets(part, {getattr(torch.ops.aten, n).input: getattr(ours, n).default for n in _RECURRENT})


def recur_by_aten(program: Any) -> Any:
    """The exported program with ATen's own recurrent operators, which any process with torch can run."""
    import torch

    for part in program.graph_module.modules():
        if isinstance(part, torch.fx.GraphModule):
            ours = recurrent_operators()
            _replace_targets(part, {getattr(ours, n).default: getattr(torch.ops.aten, n).input for n in _RECURRENT})
    return program


def _replace_targets(module: Any, targets: dict[Any, Any]) -> None:
    found = [node for node in module.graph.nodes if node.op == "call_function" and node.target in targets]
    for node in found:
        node.target = targets[node.target]
    if found:
        module.recompile()
