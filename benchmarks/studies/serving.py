"""What serving costs: `python benchmarks/studies/serving.py [cold-start] [handler] [archive]` (all three by default).

cold-start: the same model as ONNX on multi-model-server and as TorchScript on TorchServe, started in turn; seconds from
the start of the server's first process to its first right answer. `optimize boot --setup` has to have been run.
handler: the Python that the ONNX handler adds to the runtime's own call for an NPY request, in process.
archive: 1 GB of weights made a bundle by the step itself: seconds at levels of gzip, against the disk; peak memory.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
STARTS = 25
CORES = os.cpu_count() or 1
CALLS = 2000

ARCHIVE = """
import sys, time
from pathlib import Path
from optimize.benchmarks.worker import peak_bytes
from optimize.bundles.emit import emit
from optimize.execution.request import ArtifactReference, Request
signature = {"inputs": [{"name": "x", "dtype": "float32", "shape": ["batch", 4]}],
             "outputs": [{"name": "y", "dtype": "float32", "shape": ["batch", 4]}]}
told = {"container": "multi-model-server", "name": "study", "candidate": "onnx-none", "provenance": {},
        "level": None if sys.argv[3] == "auto" else int(sys.argv[3]), "gzip_threads": int(sys.argv[4])}
model = ArtifactReference(sys.argv[1], "onnx", "none", signature)
started = time.perf_counter()
emit(Request("bundle", "", {"model": model}, parameters=told), Path(sys.argv[2]))
print(time.perf_counter() - started, peak_bytes())
"""

HANDLER = """
import io, json, sys, time
from pathlib import Path
import numpy as np
sys.path.insert(0, sys.argv[1] + "/code")
import inference
model = inference.model_fn(sys.argv[1])
inputs = {"image": np.random.default_rng(0).standard_normal((1, 2, 3)).astype(np.float32)}
stream = io.BytesIO()
np.save(stream, inputs["image"])
body = stream.getvalue()
def whole():
    return inference.transform_fn(model, body, "application/x-npy", "application/x-npy")
def own():
    return model._session.run(["logits"], inputs)
times = {"whole": [], "own": []}
for index in range(int(sys.argv[2])):
    for name, call in (("whole", whole), ("own", own)):
        started = time.perf_counter()
        call()
        times[name].append((time.perf_counter() - started) * 1e3)
print(json.dumps({name: [float(np.median(v)), float(np.percentile(v, 99))] for name, v in times.items()}))
"""


def emit(folder: Path, format: str, container: str) -> Path:
    """The bundle of the tests' small model."""
    from optimize.bundles.emit import emit
    from optimize.execution.request import ArtifactReference
    from tests.bundles.cases import SIGNATURES, emit_request

    model = folder / f"{format}-model"
    script = ROOT / "tests" / "bundles" / "make_model.py"
    subprocess.run([sys.executable, "-W", "ignore", str(script), format, "single", str(model)], check=True)
    reference = ArtifactReference(str(model), format, "none", SIGNATURES["single"].to_json())
    output = folder / f"{format}-{container}" / "files"
    output.mkdir(parents=True)
    request = emit_request(reference, folder, container)
    emit(type(request)(**{**vars(request), "golden": ""}), output)
    return output / "model.tar.gz"


def cold_start(folder: Path) -> None:
    from optimize.benchmarks.statistics import median_of_few

    bundles = {
        "ONNX on multi-model-server": emit(folder, "onnx", "multi-model-server"),
        "TorchScript on TorchServe": emit(folder, "torchscript", "pytorch"),
    }
    starts: dict[str, list[float]] = {name: [] for name in bundles}
    for _ in range(STARTS):
        for name, bundle in bundles.items():
            starts[name].append(start_once(bundle))
    for name, values in starts.items():
        print(f"{name}: first right answer after {statistics.median(values):.2f} s {[round(v, 2) for v in values]}")
    ratio, (low, high) = median_of_few([a / b for a, b in zip(*starts.values(), strict=True)])
    print(f"ratio of the two in turn: {ratio:.3f} [{low:.3f}, {high:.3f}] over {STARTS} pairs (at most 0.5 is wanted)")


def start_once(bundle: Path) -> float:
    from optimize.bundles.inspection import unpack_bundle
    from optimize.bundles.samples import Sample
    from optimize.bundles.served import open_served, start_figures
    from optimize.bundles.toolkits import toolkit_for
    from optimize.pipeline.schema import Tolerances
    from tests.bundles.cases import draw_inputs, right_outputs

    inputs = draw_inputs("single", 1)
    with tempfile.TemporaryDirectory(prefix="ob-", ignore_cleanup_errors=True) as temporary:
        base = Path(temporary)
        unpacked = unpack_bundle(bundle, base / "model")
        toolkit = toolkit_for(unpacked.container)
        if toolkit is None:
            raise SystemExit(f"no toolkit serves {unpacked.container}")
        with open_served(toolkit, base, unpacked) as served:
            figures: Any = start_figures(served, Sample("", inputs, right_outputs("single", inputs)), Tolerances().fp32)
    return float(figures["cold_start_s"])


def handler(folder: Path) -> None:
    from optimize.bundles.archive import unpack_archive

    place = folder / "handler"
    place.mkdir()
    unpack_archive(emit(folder, "onnx", "pytorch"), place)
    done = subprocess.run([sys.executable, "-c", HANDLER, str(place), str(CALLS)], capture_output=True, check=True)
    found = json.loads(next(line for line in done.stdout.splitlines() if b"whole" in line))
    (whole, late), (own, own_late) = found["whole"], found["own"]
    print(
        f"handler: {whole:.3f} ms, the runtime's own call {own:.3f} ms: {whole - own:.3f} ms of Python (median of "
        f"{CALLS}; at most 0.5 is wanted); 99th percentile {late:.3f} and {own_late:.3f} ms"
    )


def archive(folder: Path) -> None:
    import numpy as np

    source = folder / "weights"
    source.mkdir()
    rng = np.random.default_rng(0)
    started = time.perf_counter()
    with (source / "model.onnx").open("wb") as file:
        for _ in range(25):
            (rng.standard_normal(10_000_000, np.float32) * np.float32(0.02)).tofile(file)
        file.flush()
        os.fsync(file.fileno())
    size = (source / "model.onnx").stat().st_size
    print(
        f"archive: {size / 1e9:.1f} GB of float32 weights, drawn and written in {time.perf_counter() - started:.1f} s"
    )
    for level, threads in (("auto", CORES), ("1", 1), ("1", CORES), ("6", CORES)):
        (folder / "files").mkdir(exist_ok=True)
        target = folder / "files" / "model.tar.gz"
        command = [sys.executable, "-c", ARCHIVE, str(source), str(target.parent), level, str(threads)]
        seconds, peak = map(float, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
        share, speed = target.stat().st_size / size, size / seconds / 1e6
        print(
            f"  level {level}, {threads} threads: {seconds:.1f} s, {speed:.0f} MB/s, {share:.1%} of it, peak of the "
            f"whole step {peak / 1e6:.0f} MB"
        )


if __name__ == "__main__":
    studies = {"cold-start": cold_start, "handler": handler, "archive": archive}
    for name in sys.argv[1:] or list(studies):
        with tempfile.TemporaryDirectory() as temporary:
            studies[name](Path(temporary))
