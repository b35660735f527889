"""The graph of an exported program as TorchScript: its code is compiled, and nothing is traced a second time.

A trace of that code would fix every size that the graph computes with: `sym_size` gives a Python number.
"""

from __future__ import annotations

from typing import Any

# Statements about sizes, which TorchScript has no operator for; each size they allow has been checked before.
_STATEMENTS = ("_assert_scalar", "_assert_tensor_metadata", "sym_constrain_range", "sym_constrain_range_for_size")
# Where a tensor lives, which is the CPU here: the way torch.fx prints a device is none that TorchScript reads.
_PLACEMENT = ("device", "layout", "pin_memory")


def script_program(program: Any) -> Any:
    """Takes the program's inputs by position; gives a tuple of its outputs, or the one tensor.

    Raises whatever torch.jit.script does where the graph holds more than operators of torch's.
    """
    import torch

    module = program.module()
    graph = module.graph
    graph.set_codegen(torch.fx.graph.CodeGen())  # Inputs and outputs flat, as the graph itself has them.
    for node in list(graph.nodes):
        if node.op == "call_module" or _name(node) in _STATEMENTS:
            graph.erase_node(node)  # The one module that an exported program calls checks its inputs.
        elif node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload):
            size = node.target is torch.ops.aten.sym_size.int
            node.target = torch.ops.aten.size if size else node.target.overloadpacket
            node.kwargs = {key: value for key, value in node.kwargs.items() if key not in _PLACEMENT}
        elif node.op == "output" and len(node.args[0]) == 1:
            node.args = (node.args[0][0],)
    return torch.jit.script(torch.fx.GraphModule(module, graph).eval())


def _name(node: Any) -> str:
    return getattr(getattr(node.target, "overloadpacket", None), "__name__", "")
