"""What a stage is made of counts for its results, and nothing else does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from optimize import own_code, stages
from optimize.own_code import stage_digest, stage_modules

FILES = {
    "__init__": "",
    "stage": "def convert():\n    from acme_stages.near import write as made\n    return made()\n",
    "near": "from . import (\n    far,  # by way of another\n)\nfrom .inner.deep import value\n",
    "far": "import acme_stages.inner.deep, json\n",
    "unrelated": "from acme_stages import far\n",
    "inner/__init__": "raise RuntimeError('it is not to be imported')\n",
    "inner/deep": "value = 1\n",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        file = tmp_path / "acme_stages" / f"{name}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path / "acme_stages"


def digest() -> str:
    for cached in (own_code.stage_digest, own_code._read, own_code._file):
        cached.cache_clear()
    return stage_digest("acme_stages.stage")


@pytest.mark.parametrize("changed", ["stage", "near", "far", "inner/deep"])
def test_another_text_of_what_a_stage_imports_is_another_digest(package: Path, changed: str) -> None:
    before = digest()
    assert before == digest()
    (package / f"{changed}.py").write_text("value = 2\n")
    assert digest() != before


def test_what_it_does_not_import_does_not_count(package: Path) -> None:
    before = digest()
    (package / "unrelated.py").write_text("value = 2\n")
    assert digest() == before


def test_every_file_of_the_stage_folders_counts_for_some_stage() -> None:
    root = Path(own_code.__file__).parent
    found = [name for group in ("converters", "quantizers") for s in stages.stages(group).values()
             for name in stage_modules(s.__name__)]  # fmt: skip
    files = [file.relative_to(root).with_suffix("") for group in ("converters", "quantizers")
             for file in (root / group).rglob("*.py") if file.name not in ("__init__.py", "__main__.py")]  # fmt: skip
    left = {".".join(("optimize", *file.parts)) for file in files} - set(found)
    assert left == {f"optimize.converters.{name}_to_saved_model.coverage" for name in ("aten_graph", "onnx")}


def test_helpers_count_for_the_stages_that_use_them_and_for_no_other() -> None:
    assert "optimize.converters.exporting" in stage_modules("optimize.converters.pytorch_to_aten_graph")
    assert "optimize.converters.onnx_versions" in stage_modules("optimize.converters.saved_model_to_onnx")
    assert "optimize.converters.saved_model_to_litert" in stage_modules("optimize.quantizers.litert_static")
    assert "optimize.converters.exporting" not in stage_modules("optimize.converters.saved_model_to_litert")
    others = ("optimize.reports", "optimize.bundles", "optimize.benchmarks", "optimize.execution", "optimize.commands")
    for group in ("converters", "quantizers", "runtimes", "sources"):
        for stage in stages.stages(group).values():
            assert not [name for name in stage_modules(stage.__name__) if name.startswith(others)], stage


def test_nothing_is_imported_to_find_them() -> None:
    code = (
        "import sys; from optimize.own_code import stage_digest; stage_digest('optimize.quantizers.litert_static');"
        "stage_digest('optimize.converters.onnx_to_saved_model');"
        "print([name for name in sys.modules if name.split('.')[0] in ('tensorflow', 'torch', 'onnx', 'numpy')])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
