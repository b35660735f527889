"""Every bundle answers the golden right before it is emitted."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from optimize.stages import bundles
from tests.bundles.cases import boot_request
from tests.bundles.conftest import Carry

PAIRS = [
    (name, format, "single" if format == "aotinductor" else "several")
    for name, bundle in bundles().items()
    for format in bundle.formats
    if name != "huggingface"  # The same handler; it is booted on its real server.
] + [("pytorch", "torchscript", "single"), ("tensorflow", "saved_model", "single"), ("triton", "onnx", "single")]


@pytest.mark.parametrize(("container", "format", "kind"), PAIRS)
def test_a_bundle_answers_the_golden_in_every_form_it_reads(
    emitted: Callable[..., Path],
    golden: Callable[[str], Path],
    carry_out: Carry,
    container: str,
    format: str,
    kind: str,
) -> None:
    result, _ = carry_out(boot_request(emitted(format, kind, container), golden(kind), toolkit="none"))
    assert result["state"] == "ok", result
    assert result["payload"]["problems"] == []
    for figures in result["payload"]["drift"].values():
        assert figures["max_abs"] < 1e-5


def test_a_changed_file_is_named(
    emitted: Callable[..., Path], golden: Callable[[str], Path], carry_out: Carry, tmp_path: Path
) -> None:
    bundle = emitted("onnx", "single")
    folder = tmp_path / "changed"
    with tarfile.open(bundle) as tar:
        tar.extractall(folder, filter="data")
    (folder / "model.onnx").write_bytes(b"not a model")
    changed = tmp_path / "changed.tar.gz"
    with tarfile.open(changed, "w:gz") as tar:
        tar.add(folder, arcname=".")
    result, _ = carry_out(boot_request(changed, golden("single"), toolkit="none"))
    assert result["state"] == "failed"
    assert "model.onnx was changed" in result["reason"]


def test_a_package_of_aotinductors_is_served_without_the_compiler_that_made_it_and_leaves_nothing_behind(
    emitted: Callable[..., Path], tmp_path: Path
) -> None:
    with tarfile.open(emitted("aotinductor", "single", "pytorch")) as tar:
        tar.extractall(tmp_path, filter="data")
    code = (
        "import os, sys; sys.path.insert(0, 'code'); import inference; model = inference.model_fn('.'); "
        "inference.transform_fn(model, b'[[[1,2,3],[4,5,6]]]', 'application/json', 'text/csv'); "
        "print([name for name in sys.modules if name.startswith('torch._inductor')], flush=True); os._exit(0)"
    )
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=os.environ | {"TMPDIR": str(scratch)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr
    assert list(scratch.iterdir()) == []
