"""Laws that every stage keeps, over all that are registered: a new one is covered the day it is added to its table."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from optimize import stages
from optimize.methods import Method
from optimize.pipeline.schema import Tolerance, Tolerances
from optimize.sources.base import SourceOptions
from tests.matrix.running import read_matrix

HEAVY = ("torch", "tensorflow", "onnxruntime", "onnx", "transformers", "optimum", "neural_compressor")
MEMBERS = {
    "converters": {"reads": str, "makes": str, "libraries": tuple},
    "quantizers": {"reads": str, "makes": str, "method": Method, "libraries": tuple},
    "runtimes": {"reads": str, "libraries": tuple},
    "sources": {"kind": str, "libraries": tuple, "read_as": tuple},
    "bundles": {"container": str, "formats": tuple, "libraries": tuple, "takes_code": bool},
}
VERBS = {
    "converters": {"convert": ["model", "examples", "output"]},
    "quantizers": {"quantize": ["model", "task", "output"]},
    "runtimes": {"prepare": ["settings"], "read": ["model"], "open": ["loaded", "model", "settings"]},
    "sources": {"prepare": ["settings"], "read": ["model"], "open": ["loaded", "model", "settings"]},
    "bundles": {"lay_out": ["model", "settings", "folder"], "open_folder": ["folder", "signature"]},
}


def table(group: str) -> dict[str, str]:
    found: dict[str, str] = importlib.import_module(stages.TABLES[group]).TABLE
    return found


ALL = [(group, name) for group in stages.TABLES for name in table(group)]


@pytest.mark.parametrize(("group", "name"), ALL)
def test_it_declares_the_members_of_its_contract(group: str, name: str) -> None:
    module = stages.stages(group)[name]
    for member, kind in MEMBERS[group].items():
        assert isinstance(getattr(module, member), kind), f"{module.__name__}.{member}"
    settable = ["options"] if group == "converters" and hasattr(module, "options") else []
    for verb, parameters in VERBS[group].items():
        parameters = [*parameters, *settable]
        assert list(inspect.signature(getattr(module, verb)).parameters) == parameters, f"{module.__name__}.{verb}"


def test_importing_every_stage_loads_no_library() -> None:
    modules = [module for group in stages.TABLES for module in table(group).values()]
    code = f"import sys, importlib\nfor m in {modules!r}: importlib.import_module(m)\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", table("quantizers"))
def test_a_methods_options_all_have_defaults_and_its_precision_has_tolerances(name: str) -> None:
    method = stages.stages("quantizers")[name].method
    method.options()
    assert isinstance(getattr(Tolerances(), method.precision), Tolerance)


def test_quantizers_that_make_the_same_candidate_declare_the_same_method() -> None:
    made: dict[tuple[str, str], Method] = {}
    for quantizer in stages.quantizers().values():
        assert made.setdefault((quantizer.makes, quantizer.method.name), quantizer.method) == quantizer.method


def test_converters_that_make_the_same_format_have_the_same_options_all_with_defaults() -> None:
    for converter in stages.converters().values():
        others = [other for other in stages.converters().values() if other.makes == converter.makes]
        assert {getattr(other, "options", None) for other in others} == {
            (section := getattr(converter, "options", None))
        }
        assert section is None or section()


@pytest.mark.parametrize("name", table("sources"))
def test_a_source_has_options_of_its_own_kind(name: str) -> None:
    source = stages.stages("sources")[name]
    assert issubclass(source.Options, SourceOptions)
    assert source.Options.model_fields["kind"].default == source.kind == name


@pytest.mark.parametrize("name", table("runtimes"))
def test_every_format_that_is_made_has_a_runtime_and_every_runtime_a_stage_that_makes_it(name: str) -> None:
    made = {c.makes for c in stages.converters().values()}
    assert stages.stages("runtimes")[name].reads in made


@pytest.mark.parametrize("group", ["converters", "quantizers"])
def test_every_stage_has_made_something_right_in_the_matrix(group: str) -> None:
    """Whose rows are run again by tests/matrix."""
    right = [c for entry in read_matrix().values() for c in entry["cells"].values() if c["state"] == "ok"]
    assert set(table(group)) <= {stage for cell in right for stage in cell["converter"].split(" → ")}


def test_the_stage_folders_at_the_top_are_the_packages(root: Path) -> None:
    for name in ("converters", "quantizers", "benchmarks"):
        link = root / "optimize" / name
        assert link.is_symlink() and link.resolve() == root / name
