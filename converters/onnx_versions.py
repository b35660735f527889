"""The versions that an ONNX file is of: how high they may be, and how it is brought down to them.

An image's ONNX Runtime refuses a file of a newer operator set or IR than its own (optimize/bundles/images.yaml).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optimize.errors import Unsupported

LEAST_OPSET, LEAST_IR = 13, 8
"""Below this IR there are no functions, and below this opset no scales per channel."""
OWN = ("", "ai.onnx")
"""Names of ONNX's own domain."""


def bring_down(path: Path, most_opset: int | None, most_ir: int | None) -> tuple[int, int]:
    """Makes the file one that such a reader takes, where it is not yet, and gives its opset before and after.

    Weights beside it stay where they are, unread. Raises Unsupported for an operator that has no equal in that set.
    """
    import onnx

    model = onnx.load(path, load_external_data=False)
    opset, ir = opset_of(model), model.ir_version
    if most_opset and opset > most_opset:
        model = _convert(model, opset, most_opset)
    model.ir_version = min(ir, most_ir or ir)
    if (opset_of(model), model.ir_version) != (opset, ir):
        onnx.save(model, path)
        onnx.checker.check_model(str(path))
    return opset, opset_of(model)


def opset_of(model: Any) -> int:
    """Of ONNX's own operators; 0 where it uses none."""
    return max((entry.version for entry in model.opset_import if entry.domain in OWN), default=0)


def _convert(model: Any, opset: int, wanted: int) -> Any:
    """By ONNX's version converter, once what the older set has not is written out in what it has."""
    from onnx import inliner, version_converter

    functions = [*_later_functions(wanted), *((function.domain, function.name) for function in model.functions)]
    try:
        plain = inliner.inline_selected_functions(model, functions, inline_schema_functions=True)
        converted = version_converter.convert_version(plain, wanted)
    except Exception as error:
        # The converter raises RuntimeError, or whatever the adapter of one operator meets.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise Unsupported(
            f"the graph is of opset {opset}, and may be of {wanted} at most (bundle.image, candidates.options); ONNX's "
            f"version converter cannot bring it down: {reason.rpartition('failed: ')[2]}"
        ) from error
    del converted.graph.value_info[:]  # ONNX Runtime's quantizers infer shapes of their own, and stop where two differ.
    return converted


def _later_functions(opset: int) -> list[tuple[str, str]]:
    """Operators that came after this set and are defined by others, such as Gelu."""
    import onnx

    first: dict[str, int] = {}
    defined: set[str] = set()
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain == "":
            first[schema.name] = min(schema.since_version, first.get(schema.name, schema.since_version))
            if schema.has_function or schema.has_context_dependent_function:
                defined.add(schema.name)
    return [("", name) for name in sorted(defined) if first[name] > opset]
