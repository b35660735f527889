"""int8 that is right here and wrong on a target without VNNI: real kernels, kept to the target's instruction sets."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from optimize.benchmarks.emulation import isa_caps
from optimize.benchmarks.targets import Isa, find_target, local_isa
from optimize.execution.on_target import must_check
from optimize.execution.process import clean_environment
from optimize.execution.request import ArtifactReference, Request
from optimize.execution.run import run
from optimize.execution.target_check import EMULATOR
from optimize.golden import write_case
from optimize.plan import Candidate
from optimize.signature import Signature, TensorSpec
from tests.conftest import Project, write_onnx_model
from tests.plugins import install_package

pytestmark = pytest.mark.skipif(
    local_isa().saturates, reason="this machine's kernels saturate themselves: it has no VNNI"
)
needs_emulator = pytest.mark.skipif(shutil.which(EMULATOR) is None, reason=f"{EMULATOR} is not installed (qemu-user)")

SATURATING = """
import sys, torch
torch.backends.quantized.engine = "fbgemm"

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        ones = torch.quantize_per_tensor(torch.ones(4, 512), 1 / 127, 0, torch.qint8)
        self.packed = torch.ops.quantized.linear_prepack(ones, None)

    def forward(self, x):
        return torch.ops.quantized.linear_dynamic(x, self.packed, False)  # all eight bits of the activations

torch.jit.save(torch.jit.script(Net()), sys.argv[1])
"""
"""512 products of 1 by 1: 255 x 127 in integers. The true sum is 512."""

FULL_RANGE = """
from optimize.artifact import Made
from optimize.methods import Method
reads = makes = "onnx"
libraries = ("onnx", "onnxruntime")
method = Method("full_range", precision="int8")

def quantize(model, task, output):
    from onnxruntime.quantization import QuantType, quantize_dynamic
    quantize_dynamic(model.path / "model.onnx", output / "model.onnx", weight_type=QuantType.QInt8)
    return Made("weights of eight bits, whatever the target")
"""


def test_it_is_looked_at_only_for_int8_and_only_where_the_target_computes_otherwise() -> None:
    here = Isa("x86_64", ("avx2", "avx512", "vnni"))
    int8, fp32 = Candidate("a", "onnx", "dynamic"), Candidate("b", "onnx", "none")
    assert must_check(find_target("ml.m5.large"), int8, "pytorch", here)
    assert not must_check(find_target("ml.m5.large"), fp32, "pytorch", here)
    assert must_check(find_target("ml.m5.large"), fp32, "onnx", here), "it may be quantized already"
    assert not must_check(find_target("ml.c7i.large"), int8, "pytorch", here)
    assert not must_check(find_target("ml.m5.large"), int8, "pytorch", Isa("x86_64", ("avx2",)))


@pytest.fixture(scope="module")
def saturating(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("saturating")
    (folder / "model").mkdir()
    script = folder / "save.py"  # TorchScript is made from source, which must lie in a file.
    script.write_text(SATURATING)
    command = [sys.executable, "-W", "ignore", str(script), str(folder / "model" / "model.pt")]
    subprocess.run(command, check=True)
    (folder / "golden").mkdir()
    x = np.ones((2, 512), np.float32)
    write_case(folder / "golden", 0, {"x": x}, {"y": np.full((2, 4), 512, np.float32)})
    (folder / "golden" / "cases.json").write_text('["batch=2"]')
    return folder


@pytest.mark.parametrize(("target", "answer"), [("ml.c7i.large", 512), ("ml.m5.large", 260), ("ml.c4.large", 260)])
def test_pytorchs_kernels_are_wrong_under_the_caps_of_a_target_without_vnni(
    saturating: Path, target: str, answer: int, tmp_path: Path
) -> None:
    signature = Signature((TensorSpec("x", "float32", ("batch", 512)),), (TensorSpec("y", "float32", ("batch", 4)),))
    model = ArtifactReference(str(saturating / "model"), "torchscript", "dynamic", signature.to_json())
    caps = isa_caps(find_target(target).isa, local_isa())
    Request(
        "check-on-target", "optimize.runtimes.torchscript", {"model": model}, str(saturating / "golden"),
        parameters={"threads": 1, "settings": {}, "emulate": False, "only_integers": False, "environment": caps},
    ).write(tmp_path / "request.json")  # fmt: skip
    command = [sys.executable, "-m", "optimize.execution.worker", str(tmp_path)]
    subprocess.run(command, env=clean_environment(), check=True, capture_output=True)
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["payload"]["drift"]["y"]["max_abs"] == pytest.approx(512 - answer, abs=3)


@needs_emulator
def test_a_candidate_that_saturates_on_its_target_ends_drifted_with_that_reason(
    onnx_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package"
    package.mkdir()
    install_package(package, {"full_range": FULL_RANGE}, {"quantizers": {"onnx_full": "full_range"}}, monkeypatch)
    path = onnx_project(
        candidates={"formats": ["onnx"], "quantization": ["full_range"]}, target="ml.m5.large",
        tolerances={"int8": {"max_relative": 0.1}}, data={"evaluation": "evaluation.npz"},
    )  # fmt: skip
    _positive(path.parent)
    command = [sys.executable, "-m", "optimize", "run", str(path), "--until", "check", "--quiet"]
    assert subprocess.run(command, check=False).returncode == 1
    (candidate,) = json.loads((path.parent / "build" / "report.json").read_text())["candidates"]
    assert candidate["state"] == "drifted"
    assert candidate["reason"].startswith("right on this machine, and wrong on ml.m5.large, which has no VNNI")
    assert candidate["on_target"]["how"] == f"{EMULATOR} -cpu Haswell"
    there = subprocess.run([*command, "-o", "target=ml.c6i.large"], check=False)
    assert there.returncode == 0, "with VNNI it is right"


@needs_emulator
def test_a_source_that_is_int8_already_is_checked_too_and_one_in_float_is_not(onnx_project: Project) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    path = onnx_project(
        candidates={"formats": ["onnx"], "quantization": ["none"]}, target="ml.m5.large",
        tolerances={"int8": {"max_relative": 0.1}}, data={"evaluation": "evaluation.npz"},
    )  # fmt: skip
    _positive(path.parent)
    model = path.parent / "model.onnx"
    (candidate,) = run(path, until="check").report.candidates
    assert candidate.state == "ok" and not candidate.on_target
    quantize_dynamic(model, model, weight_type=QuantType.QInt8)
    (candidate,) = run(path, until="check").report.candidates
    assert candidate.state == "drifted"
    assert candidate.reason.startswith("right on this machine, and wrong on ml.m5.large, which has no VNNI")


def _positive(folder: Path) -> None:
    """A model and rows whose products are all large and of one sign, which is what saturates."""
    import onnx
    from onnx import numpy_helper

    write_onnx_model(folder / "model.onnx")
    model = onnx.load(folder / "model.onnx")
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array(np.where(values == 0, 0, 1).astype(np.float32), tensor.name))
    onnx.save(model, folder / "model.onnx")
    rng = np.random.default_rng(0)
    x = (1 - 0.2 * rng.random((64, 16))).astype(np.float32)
    np.savez(folder / "evaluation.npz", x=x, label=np.zeros(64, np.int64))


def test_where_nothing_can_show_it_the_report_says_that_it_was_not_checked(
    onnx_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optimize.execution.on_target.emulator", lambda: None)
    path = onnx_project(target="ml.m5.large", candidates={"formats": ["onnx"], "quantization": ["dynamic"]})
    report = run(path, until="check").report
    assert report.candidates[0].state == "ok"
    assert any("was not checked for ml.m5.large" in one and EMULATOR in one for one in report.warnings)


def test_a_candidate_is_checked_in_the_memory_that_its_target_has(onnx_project: Project) -> None:
    target = {"name": "tiny", "vcpus": 1, "memory_gb": 0.03, "isa": ["avx2", "avx512", "vnni"]}
    path = onnx_project(target=target, candidates={"formats": ["onnx"], "quantization": ["none"]})
    (candidate,) = run(path, until="check").report.candidates
    assert candidate.state == "out_of_memory" and "what tiny has" in candidate.reason


def test_what_is_measured_in_too_little_memory_fails_and_takes_nobody_with_it(tmp_path: Path) -> None:
    from optimize.benchmarks.subjects import SubjectFailed, WorkerSubject

    write_onnx_model(tmp_path / "model.onnx")
    asked = {
        "artifact": {"path": str(tmp_path), "format": "onnx", "quantization": "none", "signature": {"inputs": [], "outputs": []}},
        "module": "optimize.runtimes.onnx", "threads": 1, "cpus": [], "memory_bytes": 20_000_000, "settings": {}, "rotation": "",
    }  # fmt: skip
    with pytest.raises(SubjectFailed, match=r"exited with status|killed by signal"):
        WorkerSubject(asked, tmp_path / "processes", "a")
