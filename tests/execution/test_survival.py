"""What must survive: converters that fail in every way, a kill in the middle, files that are broken. Real runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import Project
from tests.plugins import PERTURBED, install

BAD = {
    "raises": "raise ValueError('no such operator')",
    "aborts": "import os; os.abort()",
    "sleeps": "import time; time.sleep(600)",
    "allocates": "held = []\nwhile True: held.append(bytearray(50_000_000))",
}


def optimize(path: Path, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "optimize", "run", str(path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)


def report(path: Path) -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = json.loads((path.parent / "build" / "report.json").read_text())
    return loaded


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    folder = tmp_path / "plugins"
    folder.mkdir()
    return folder


def test_four_failures_are_four_states_and_the_best_of_the_rest_is_bundled(
    onnx_project: Project, plugins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(plugins, BAD | {"perturbed": PERTURBED}, monkeypatch)
    formats = ["onnx", *BAD, "perturbed"]
    path = onnx_project(
        candidates={"formats": formats, "quantization": ["none"]}, limits={"time_s": 8, "memory_mb": 1500}
    )
    done = optimize(path)
    assert done.returncode == 0, done.stdout + done.stderr
    states = {c["name"]: c["state"] for c in report(path)["candidates"]}
    assert states == {
        "onnx-none": "ok", "raises-none": "failed", "aborts-none": "crashed", "sleeps-none": "timed_out",
        "allocates-none": "out_of_memory", "perturbed-none": "drifted",
    }  # fmt: skip
    assert report(path)["winner"] == "onnx-none"
    assert (path.parent / "build" / "model.tar.gz").is_file()
    reasons = {c["name"]: c["reason"] for c in report(path)["candidates"]}
    assert "ValueError: no such operator" in reasons["raises-none"]
    assert "SIGABRT" in reasons["aborts-none"]
    steps = {s["name"]: s for s in report(path)["steps"]}
    assert Path(steps["convert:raises"]["log"]).is_file()
    again = subprocess.run(steps["convert:raises"]["reproduce"].split(), capture_output=True, text=True, check=False)
    assert "no such operator" in again.stdout + again.stderr


def test_when_all_candidates_fail_nothing_is_bundled(
    onnx_project: Project, plugins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(plugins, {"raises": BAD["raises"], "aborts": BAD["aborts"]}, monkeypatch)
    path = onnx_project(candidates={"formats": ["raises", "aborts"], "quantization": ["none"]})
    done = optimize(path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert not (path.parent / "build" / "model.tar.gz").exists()
    assert report(path)["winner"] is None and report(path)["bundle"] is None
    assert "No candidate survived" in done.stdout


def test_after_a_kill_the_next_run_goes_on_from_what_stands(
    onnx_project: Project, plugins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What it makes drifts: an exact copy would win half of the time, and this plug-in's bundle refuses to be made.
    install(plugins, {"slow": "    import time; time.sleep(3)" + PERTURBED}, monkeypatch)
    path = onnx_project(candidates={"formats": ["onnx", "slow"], "quantization": ["none"]})
    process = subprocess.Popen([sys.executable, "-m", "optimize", "run", str(path)], stdout=subprocess.DEVNULL)
    staging = path.parent / ".optimize" / "staging"
    wait_until(lambda: any("slow_converter" in p.read_text() for p in staging.glob("*/request.json")))
    worker = set(staging.iterdir())
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert worker, "killed while a step was being carried out"
    assert not (path.parent / "build").exists()
    done = optimize(path)
    assert done.returncode == 0, done.stdout + done.stderr
    cached = {s["name"]: s["cached"] for s in report(path)["steps"]}
    assert cached["golden"] and not cached["convert:slow"]
    assert not list(staging.glob("*")), "what the killed run left behind is gone"


def wait_until(condition: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.05)


def test_a_killed_command_takes_its_workers_with_it(
    onnx_project: Project, plugins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(
        plugins,
        {
            "slow": f"open({str(plugins / 'pid')!r}, 'w').write(str(__import__('os').getpid())); __import__('time').sleep(600)"
        },
        monkeypatch,
    )
    path = onnx_project(candidates={"formats": ["slow"], "quantization": ["none"]})
    process = subprocess.Popen([sys.executable, "-m", "optimize", "run", str(path)], stdout=subprocess.DEVNULL)
    wait_until(lambda: (plugins / "pid").exists() and (plugins / "pid").read_text())
    process.kill()
    process.wait()
    pid = int((plugins / "pid").read_text())
    wait_until(lambda: not alive(pid), 10)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/status").read_text()
    return "State:\tZ" not in status


def test_an_interrupt_ends_with_130_and_leaves_no_worker(
    onnx_project: Project, plugins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(
        plugins,
        {
            "slow": f"open({str(plugins / 'pid')!r}, 'w').write(str(__import__('os').getpid())); __import__('time').sleep(600)"
        },
        monkeypatch,
    )
    path = onnx_project(candidates={"formats": ["slow"], "quantization": ["none"]})
    process = subprocess.Popen(
        [sys.executable, "-m", "optimize", "run", str(path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: (plugins / "pid").exists() and (plugins / "pid").read_text())
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted" in errors
    wait_until(lambda: not alive(int((plugins / "pid").read_text())), 10)


def refused(path: Path) -> str:
    """One message, exit code 2, no traceback, nothing written."""
    before = set(path.parent.rglob("*"))
    done = optimize(path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert {p for p in path.parent.rglob("*") if "__pycache__" not in p.parts} <= before, "something was written"
    return done.stderr


def test_a_verdict_that_the_measurement_does_not_allow_is_exit_code_four(onnx_project: Project) -> None:
    benchmark = {"processes": 3, "budget_s": 0.01, "half_width": 1e-6, "inconclusive": "refuse"}
    path = onnx_project(benchmark=benchmark)
    done = optimize(path)
    assert done.returncode == 4, done.stdout + done.stderr
    assert "No verdict" in done.stdout
    assert not (path.parent / "build" / "model.tar.gz").exists()


def test_an_onnx_file_cut_in_half_is_refused(onnx_project: Project) -> None:
    path = onnx_project()
    file = path.parent / "model.onnx"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert "is not a whole ONNX model" in refused(path)


def test_corrupt_weights_are_refused(torch_project: Project) -> None:
    path = torch_project()
    weights = path.parent / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-7])
    message = refused(path)
    assert "is not a whole safetensors file" in message and "source.weights" in message


def test_a_pickle_without_trust_is_refused_with_what_it_would_execute(torch_project: Project) -> None:
    path = torch_project()
    make = "import torch; from model import Net; torch.save(Net(), 'weights.pt')"
    subprocess.run([sys.executable, "-c", make], cwd=path.parent, check=True)
    path.write_text(path.read_text().replace("weights.safetensors", "weights.pt"))
    message = refused(path)
    assert "model.Net" in message and "trust: true" in message


def test_a_factory_that_does_not_import_is_refused(torch_project: Project) -> None:
    path = torch_project()
    (path.parent / "model.py").write_text("import nowhere\n")
    assert "does not import: ModuleNotFoundError: No module named 'nowhere'" in refused(path)


def test_a_signature_that_the_model_refuses_is_told(torch_project: Project) -> None:
    path = torch_project(inputs={"x": {"dtype": "float32", "shape": ["batch", 7]}})
    message = refused(path)
    assert "the model refuses its signature (x: float32[1, 7])" in message and "source.inputs" in message


def test_weights_of_another_architecture_name_the_keys(torch_project: Project) -> None:
    path = torch_project()
    text = path.read_text().replace("  weights:", "  arguments: {width: 16}\n  weights:")
    path.write_text(text)
    assert "layers.0.weight: [8, 4] for [16, 4]" in refused(path)


def test_data_with_nan_is_refused(onnx_project: Project) -> None:
    path = onnx_project()
    np.savez(path.parent / "evaluation.npz", x=np.full((8, 16), np.nan, np.float32), label=np.zeros(8, np.int64))
    assert "holds NaN" in refused(path)


def test_a_second_run_over_one_working_directory_is_refused(onnx_project: Project) -> None:
    from filelock import FileLock

    path = onnx_project()
    (path.parent / ".optimize").mkdir()
    with FileLock(path.parent / ".optimize" / "lock"):
        done = optimize(path)
    assert done.returncode == 3
    assert "another run is using" in done.stderr and "--workdir" in done.stderr


def test_the_peak_of_a_step_says_nothing_of_the_size_of_its_parent(onnx_project: Project) -> None:
    path = onnx_project(candidates={"formats": ["onnx"], "quantization": ["none"]})
    code = (
        "held = bytes(1) * 600_000_000; from optimize.execution.run import run; "
        f"print([step.record['peak_bytes'] for step in run({str(path)!r}, until='check').steps])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert max(json.loads(done.stdout.splitlines()[-1])) < 300e6
