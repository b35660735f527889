"""What opening a file of torch's would execute is told without opening it."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path

import pytest

from optimize.errors import UserError
from optimize.sources.torch_archives import check_kind, executes, is_harmless


def program(path: Path, target: str = "torch.ops.aten.relu.default", **members: bytes) -> Path:
    document = {"graph": {"nodes": [{"target": target, "inputs": []}]}, "guards_code": ["L['x'].size()[0] <= 4"]}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/models/model.json", json.dumps(document))
        for name, data in members.items():
            archive.writestr(name.replace("__", "/"), data)
    return path


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('the pickle was run')",))


def test_an_ordinary_program_executes_nothing_but_operators(tmp_path: Path) -> None:
    assert executes(program(tmp_path / "m.pt2")) == ()


def test_a_function_that_is_no_operator_and_a_pickle_are_named(tmp_path: Path) -> None:
    assert executes(program(tmp_path / "a.pt2", "torch.os.system")) == ("torch.os.system",)
    (found,) = executes(program(tmp_path / "b.pt2", m__data__constants__opaque_obj_0=pickle.dumps(Bomb())))
    assert found.endswith(".exec")


@pytest.mark.parametrize(
    "text", ["L['x'].size()[0] == 2*L['y'].size()[1]", "Mul(Integer(2), Symbol('s7', integer=True))"]
)
def test_arithmetic_on_sizes_is_harmless(text: str) -> None:
    assert is_harmless(text)


@pytest.mark.parametrize(
    "text", ["__import__('os').system('ls')", "eval('1')", "L['x'].__class__", "().__class__", "("]
)
def test_any_other_expression_is_not(text: str) -> None:
    assert not is_harmless(text)


def test_the_wrong_file_is_said_to_be_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="write `kind: exported_program`"):
        check_kind(program(tmp_path / "m.pt2"), "torchscript")
    with pytest.raises(UserError, match="machine code"):
        check_kind(program(tmp_path / "c.pt2", m__data__aotinductor__model__a=b""), "exported_program")
    (tmp_path / "cut.pt2").write_bytes((tmp_path / "m.pt2").read_bytes()[:60])
    with pytest.raises(UserError, match="cut short"):
        check_kind(tmp_path / "cut.pt2", "exported_program")
