"""The peers: which recipe makes which artifact, in which environment; made once for given contents."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

from optimize.benchmarks.studies.quantization.cases import Case
from optimize.digests import digest_folder, digest_value

RECIPES = Path(__file__).with_name("recipes")
REQUIREMENTS = ("olive-ai", "neural-compressor[pt]", "torchao", "torch==2.13.0+cpu", "onnxruntime", "transformers",
                "safetensors", "requests")  # fmt: skip
"""Of the peers' own environment. Olive 0.13 imports `requests` without asking for it."""
LIMIT_S = 600.0
JUDGED_BY = ("pipeline.yaml", "searched.yaml", "heldout.npz", "expected.npz", "evaluation.npz")
"""Files of a model's folder that no recipe reads."""


@dataclass(frozen=True)
class Peer:
    name: str
    title: str
    recipe: str
    format: str
    arguments: tuple[str, ...] = ()
    apart: bool = False
    """Whether it runs in the peers' own environment, and not beside ours."""
    libraries: tuple[str, ...] = ()


PEERS = (
    Peer("optimum-dynamic", "Optimum, dynamic", "optimum_dynamic", "onnx", libraries=("optimum-onnx", "onnxruntime")),
    Peer("optimum-static", "Optimum, static", "optimum_static", "onnx", libraries=("optimum-onnx", "onnxruntime")),
    Peer("nncf-openvino", "NNCF on OpenVINO", "nncf_openvino", "openvino", libraries=("nncf", "openvino")),
    Peer("nncf-onnx", "NNCF on ONNX", "nncf_onnx", "onnx", libraries=("nncf", "onnxruntime")),
    Peer("olive-dynamic", "Olive, dynamic", "olive_run", "onnx", ("dynamic",), True, ("olive-ai", "onnxruntime")),
    Peer("olive-static", "Olive, static", "olive_run", "onnx", ("static",), True, ("olive-ai", "onnxruntime")),
    Peer(
        "neural-compressor", "Neural Compressor on PyTorch", "inc_static", "aotinductor", (), True,
        ("neural-compressor", "torch"),
    ),
)  # fmt: skip
EXPORT = Peer("export", "ONNX export", "export_onnx", "onnx", libraries=("optimum-onnx", "torch"))


@dataclass(frozen=True)
class Built:
    """What came of a recipe; `reason` says why there are no files, where there are none."""

    files: Path
    reason: str
    seconds: float


def set_up(work: Path) -> None:
    """The peers' environment."""
    environment = work / "peers-env"
    if not environment.exists():
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "-q", *REQUIREMENTS]
    subprocess.run(pip, check=True)


def python(peer: Peer, work: Path) -> Path:
    """Raises SystemExit where the peers' environment has not been made."""
    own = work / "peers-env" / "bin" / "python"
    if peer.apart and not own.exists():
        raise SystemExit(f"{peer.title} needs {own.parents[1]}; run this command with --setup once")
    return own if peer.apart else Path(sys.executable)


def versions(peer: Peer, work: Path) -> Mapping[str, str]:
    if not peer.apart:
        found = distributions()
    else:
        found = distributions(path=[str(next((work / "peers-env" / "lib").glob("python3*/site-packages")))])
    known = {one.metadata["Name"].replace("_", "-"): one.version for one in found}
    return {name: known.get(name, "missing") for name in peer.libraries}


def build(peer: Peer, case: Case, model: Path, onnx: Path | None, work: Path) -> Built:
    """From the cache where the same recipe has been given the same model by the same versions."""
    recipe = RECIPES / f"{peer.recipe}.py"
    texts = [path.read_text(encoding="utf-8") for path in (recipe, RECIPES / "common.py")]
    content = digest_value([texts, list(peer.arguments), _read_by(model), str(onnx), dict(versions(peer, work))])
    folder = work / "peers" / case.name / f"{peer.name}-{content[:16]}"
    record = folder / "built.json"
    if not record.exists():
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "files").mkdir(parents=True)
        _run(peer, case, model, onnx, folder, work)
    done = json.loads(record.read_text(encoding="utf-8"))
    return Built(folder / "files", done["reason"], done["seconds"])


@cache
def _read_by(model: Path) -> dict[str, str]:
    return {name: digest for name, digest in digest_folder(model).items() if name not in JUDGED_BY}


def _run(peer: Peer, case: Case, model: Path, onnx: Path | None, folder: Path, work: Path) -> None:
    job = {
        "model": str(model), "kind": case.source["kind"], "task": case.task, "transformer": case.transformer,
        "inputs": case.inputs, "outputs": case.outputs, "onnx": str(onnx) if onnx else "",
        "output": str(folder / "files"),
    }  # fmt: skip
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    recipe = RECIPES / f"{peer.recipe}.py"
    command = [str(python(peer, work)), str(recipe), str(folder / "job.json"), *peer.arguments]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "USE_TF": "0"}
    started = time.monotonic()
    with (folder / "log.txt").open("wb") as log:
        try:
            code = subprocess.run(
                command, cwd=folder, env=environment, stdout=log, stderr=log, timeout=LIMIT_S, check=False
            ).returncode
            reason = "" if code == 0 else _last_line(folder / "log.txt", code)
        except subprocess.TimeoutExpired:
            reason = f"not done within {LIMIT_S:g} s"
    built = Built(folder / "files", reason, round(time.monotonic() - started, 1))
    (folder / "built.json").write_text(json.dumps({**asdict(built), "files": str(built.files)}), encoding="utf-8")


def _last_line(log: Path, code: int) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    raised = [line for line in lines if line.split(":")[0].endswith(("Error", "Exception", "Unsupported"))]
    return (raised or lines or [f"exit status {code}"])[-1][:300]
