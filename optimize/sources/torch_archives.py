"""Files of torch's own, told apart by what lies in them, and what opening one would execute. Nothing is loaded.

`torch.export.load` unpickles example inputs and whatever is no plain tensor, calls any function of torch's that a node
names, and evaluates its expressions of sizes as Python (torch 2.13: `export/pt2_archive/_package.py`,
`_export/serde/serialize.py`, `export/_unlift.py`). An ordinary program needs none of these powers.
"""

from __future__ import annotations

import ast
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from optimize.errors import UserError
from optimize.newcomers.looking import look, unsafe_globals
from optimize.sources.pickles import globals_in

COMPILED = "data/aotinductor/"
SERIALIZED = "serialized_exported_program.json"
OPERATOR = re.compile(
    r"torch\.ops\.(?!_)\w+\.(?!__)\w+(\.(?!__)\w+)?|torch\.(torch\.)?_?sym_\w+|math\.\w+|"
    r"_operator\.(add|sub|mul|truediv|floordiv|mod|pow|neg|pos|eq|ne|lt|le|gt|ge|and_|or_|not_|getitem)"
)
FUNCTION = re.compile(r"[A-Z]\w*|int|float|bool|min|max|abs|math\.\w+|torch\.(torch\.)?_?sym_\w+")
HARMLESS = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.operator, ast.unaryop, ast.boolop,
    ast.cmpop, ast.Name, ast.Load, ast.Tuple,
)  # fmt: skip


def check_kind(path: Path, kind: str) -> None:
    """Raises UserError where the file is not of this kind of source."""
    if _is_cut(path):
        raise UserError(f"{path} is cut short: the end of the archive is missing; copy it anew", "source.file")
    if zipfile.is_zipfile(path) and any(COMPILED in name for name in _names(path)):
        raise UserError(
            f"{path} is a package of AOTInductor's: machine code, with no graph to convert; give the program that "
            f"torch.export.save wrote, with `kind: exported_program`",
            "source.file",
        )
    seen = look(path)
    if seen.kind != kind:
        raise UserError(f"{path} is {seen.what}; write `kind: {seen.kind}` under `source`", "source.file")


def _is_cut(path: Path) -> bool:
    """Begins as an archive, and ends as none, or as one that lies within it, as the weights of a program do."""
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            return False
    try:
        with zipfile.ZipFile(path) as archive:
            return min((entry.header_offset for entry in archive.infolist()), default=0) > 0
    except zipfile.BadZipFile:
        return True


def _names(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def executes(path: Path) -> tuple[str, ...]:
    """What loading or running the exported program would execute besides torch's operators."""
    with zipfile.ZipFile(path) as archive:
        found = [name for member in _pickles(archive) for name in _in_pickle(archive.read(member))]
        for member in archive.namelist():
            if "models/" in member or member.endswith(SERIALIZED):
                found += _in_program(json.loads(archive.read(member)))
    return tuple(dict.fromkeys(found))


def _pickles(archive: zipfile.ZipFile) -> Iterator[str]:
    """Members that are unpickled: all but plain tensors, whose configuration says so."""
    plain: set[str] = set()
    for member in archive.namelist():
        if member.endswith("_config.json"):
            entries = json.loads(archive.read(member)).get("config", {}).values()
            folder = member.rpartition("/")[0]
            plain |= {f"{folder}/{entry['path_name']}" for entry in entries if not entry["use_pickle"]}
    for member in archive.namelist():
        if ("/data/" in f"/{member}" or "serialized_" in member) and member not in plain:
            yield member


def _in_pickle(data: bytes) -> tuple[str, ...]:
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as inner:
            return tuple(n for m in inner.namelist() if m.endswith(".pkl") for n in _in_pickle(inner.read(m)))
    return unsafe_globals(globals_in(data)) if data.startswith(b"\x80") else ()


def _in_program(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _in_program(item)
    elif isinstance(value, dict):
        if "target" in value and "inputs" in value and not OPERATOR.fullmatch(str(value["target"])):
            yield str(value["target"])
        yield from (text for text in _expressions(value) if not is_harmless(text))
        for item in value.values():
            yield from _in_program(item)


def _expressions(value: dict[str, Any]) -> list[str]:
    expression = value.get("expr_str")
    return [*value.get("guards_code", ()), *([expression] if isinstance(expression, str) else [])]


def is_harmless(expression: str) -> bool:
    """Whether it only calculates with sizes: `L['x'].size()[0] <= 4*Max(1, s77)`, `Symbol('s77', integer=True)`."""
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError):
        return False
    return _calculates(tree)


def _calculates(node: ast.AST) -> bool:
    match node:
        case ast.Constant(value=value):
            return isinstance(value, int | float)
        case ast.Subscript(value=ast.Name(id="L"), slice=ast.Constant()):
            return True
        case ast.Subscript(value=inner, slice=ast.Constant(value=int())):
            return _calculates(inner)
        case ast.Call(func=ast.Attribute(value=inner, attr="size" | "stride" | "storage_offset"), keywords=[]):
            return _calculates(inner) and all(map(_calculates, node.args))
        case ast.Call(func=ast.Name(id="Symbol"), args=[ast.Constant()], keywords=keywords):
            return all(isinstance(keyword.value, ast.Constant) for keyword in keywords)
        case ast.Call(func=function, keywords=[]):
            return bool(FUNCTION.fullmatch(ast.unparse(function))) and all(map(_calculates, node.args))
    return isinstance(node, HARMLESS) and all(map(_calculates, ast.iter_child_nodes(node)))
