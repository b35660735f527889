"""Whether the measurement can be believed: `python benchmarks/studies/measuring.py [--trials 200] [--nine]`.

In each trial an ONNX model is measured against itself (other processes of the same artifact) and against a copy that
is made 5 % slower inside its worker, in the same rounds, over three generations of fresh processes. Told are: how often
the 2 % gate fires on the same artifact, how often the printed 95 % interval misses 1 by more than half a percent, and
what the slower copy is called. Beside that, the handshake; with `--nine`, what the nine candidates of the example take.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from optimize.benchmarks.beside import beside
from optimize.benchmarks.design import Design
from optimize.benchmarks.experiment import collect
from optimize.benchmarks.figures import control_ratio, ratio_to
from optimize.benchmarks.fingerprint import cpu_model
from optimize.benchmarks.noise import Evidence
from optimize.benchmarks.regression import judge_regression
from optimize.benchmarks.statistics import Ratio
from optimize.benchmarks.subjects import WorkerSubject
from optimize.benchmarks.targets import physical_cores
from optimize.signature import Signature, TensorSpec

ROOT = Path(__file__).resolve().parents[2]
MARGIN = 0.02
SLOWER = 0.05
INTERVAL_MARGIN = 0.005
SIZE, CHANNELS = 24, 88
SLOWNESS = {"baseline": 0.0, "same": 0.0, "slower": SLOWER}


@dataclass(frozen=True)
class Trial:
    """Ratios to the baseline, with intervals, and what the gate says."""

    seconds: float
    same: Ratio
    slower: Ratio
    control: Ratio
    rounds: int

    def verdict(self, name: str) -> str:
        return judge_regression(getattr(self, name), MARGIN, self.control)


class Ready:
    """A worker that was started and warmed up beforehand, so that a trial's starts can share the cores."""

    def __init__(self, asked: Mapping[str, Any], folder: Path, name: str) -> None:
        self._subject = WorkerSubject(asked, folder, name)
        self.opened = self._subject.opened
        self._warm = self._subject.ask("warmup")

    def ask(self, command: str) -> dict[str, Any]:
        return self._warm if command == "warmup" else self._subject.ask(command)

    def quit(self) -> None:
        self._subject.quit()


def write_model(folder: Path) -> Mapping[str, Any]:
    """A CNN of three layers, and its request to a worker. At over half a millisecond, rounds are of single calls."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng, nodes, weights, last = np.random.default_rng(0), [], [], "x"
    for i, depth in enumerate((1, CHANNELS, CHANNELS)):
        weights.append(numpy_helper.from_array(_normal(rng, (CHANNELS, depth, 3, 3)) / 20, f"w{i}"))
        nodes.append(helper.make_node("Conv", [last, f"w{i}"], [f"c{i}"], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"c{i}"], [f"r{i}"]))
        last = f"r{i}"
    nodes.append(helper.make_node("GlobalAveragePool", [last], ["y"]))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 1, SIZE, SIZE])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", CHANNELS, 1, 1])
    graph = helper.make_graph(nodes, "cnn", [x], [y], weights)
    opset = helper.make_opsetid("", 20)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), folder / "model.onnx")
    np.savez(folder / "rotation.npz", x=_normal(rng, (16, 1, 1, SIZE, SIZE)))
    taken = TensorSpec("x", "float32", ("batch", 1, SIZE, SIZE))
    given = TensorSpec("y", "float32", ("batch", CHANNELS, 1, 1))
    signature = Signature((taken,), (given,)).to_json()
    artifact = {"path": str(folder), "format": "onnx", "quantization": "none", "signature": signature}
    return {
        "artifact": artifact, "module": "optimize.benchmarks.studies.slowed", "threads": 1,
        "cpus": [physical_cores() - 1], "memory_bytes": None, "settings": {}, "rotation": str(folder / "rotation.npz"),
    }  # fmt: skip


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def request(asked: Mapping[str, Any], slower: float) -> dict[str, Any]:
    return {**asked, "artifact": {**asked["artifact"], "options": {"slower": slower}}}


def trial(seed: int, asked: Mapping[str, Any], folder: Path, budget_s: float, evidence: Evidence) -> Trial:
    design = Design(tuple(SLOWNESS), "baseline", 3, budget_s, MARGIN / 2, seed)
    started = time.monotonic()
    with ThreadPoolExecutor(physical_cores()) as pool:
        # On any core while they start; the rounds find them asleep and pinned.
        ready: dict[tuple[str, int], Future[Ready]] = {
            (name, generation): pool.submit(Ready, request(asked, slower), folder, f"{name}-{generation}")
            for generation in range(design.processes)
            for name, slower in SLOWNESS.items()
        }
    with beside(asked["cpus"]):
        samples = collect(
            design, lambda name, generation: ready[name, generation].result(), lambda line: None, evidence=evidence
        )
    for one in samples.values():
        if one.failure:
            raise RuntimeError(one.failure)
    return Trial(
        time.monotonic() - started, ratio_to(samples["baseline"], samples["same"]),
        ratio_to(samples["baseline"], samples["slower"]), control_ratio(samples["same"]),
        sum(len(rows) for rows in samples["same"].slices),
    )  # fmt: skip


def tell(trials: list[Trial], evidence: Evidence) -> dict[str, Any]:
    verdicts = {name: Counter(one.verdict(name) for one in trials) for name in ("same", "slower")}
    missed = sum(one.same.low > 1 + INTERVAL_MARGIN or one.same.high < 1 - INTERVAL_MARGIN for one in trials)
    missed_slower = sum(
        one.slower.low > (1 + SLOWER) * (1 + INTERVAL_MARGIN) or one.slower.high < (1 + SLOWER) * (1 - INTERVAL_MARGIN)
        for one in trials
    )
    apart = sorted(abs(one.same.value - 1) for one in trials)
    decided = verdicts["slower"]["regressed"] + verdicts["slower"]["ok"]
    return {
        "trials": len(trials),
        "seconds_a_trial": round(statistics.median(one.seconds for one in trials), 2),
        "most_seconds_a_trial": round(max(one.seconds for one in trials), 2),
        "rounds_a_trial": statistics.median(one.rounds for one in trials),
        "gate_fires_on_the_same": verdicts["same"]["regressed"] / len(trials),
        "verdicts_on_the_same": dict(verdicts["same"]),
        "interval_misses_1_by_half_a_percent": missed / len(trials),
        "interval_misses_1_at_all": sum(not one.same.low <= 1 <= one.same.high for one in trials) / len(trials),
        "interval_of_the_slower_misses_by_half_a_percent": missed_slower / len(trials),
        "same_is_apart_p95": round(apart[int(0.95 * len(apart))], 4),
        "half_width": round(statistics.median(one.same.half_width for one in trials), 4),
        "verdicts_on_the_slower": dict(verdicts["slower"]),
        "slower_is_found_of_those_with_a_verdict": verdicts["slower"]["regressed"] / decided if decided else None,
        "slower_is_called_faster": sum(one.slower.high < 1 for one in trials),
        "slower_median": round(statistics.median(one.slower.value for one in trials), 4),
        "machine": {k: round(v, 4) for k, v in evidence.shares().items() if v is not None},
    }


def handshake(asked: Mapping[str, Any], folder: Path) -> dict[str, float]:
    """Microseconds from asking for one call to its answer, less the call."""
    subject = WorkerSubject(request(asked, 0.0), folder, "handshake")
    subject.ask("warmup")
    taken = []
    with beside(asked["cpus"]):
        for _ in range(3000):
            started = time.perf_counter_ns()
            answer = subject.ask("slice 1")
            taken.append((time.perf_counter_ns() - started - sum(answer["ns"])) / 1000)
    subject.quit()
    cuts = statistics.quantiles(taken, n=100)
    return {"handshake_p50_us": round(cuts[49], 1), "handshake_p90_us": round(cuts[89], 1)}


def nine(workdir: Path | None) -> dict[str, Any]:
    """The measure step of the example, once everything before it stands in the store of `workdir`."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = workdir or Path(temporary)
        command = [sys.executable, "-m", "optimize", "run", str(ROOT / "pipeline.yaml"), "--quiet"]
        command += ["--workdir", str(folder), "--until", "measure", "-o", f"report={folder}/build"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        report = json.loads(Path(folder, "build", "report.json").read_text(encoding="utf-8"))
    (step,) = [step for step in report["steps"] if step["stage"] == "measure"]
    widths = [c["latency"]["ratio"]["half_width"] for c in report["candidates"] if c["latency"]]
    return {
        "nine_s": step["seconds"], "nine_measured": len(widths), "nine_widest": max(widths),
        "nine_noise": report["noise"]["verdict"],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--budget", type=float, default=1.2, help="seconds of rounds in a trial")
    parser.add_argument("--nine", action="store_true", help="also measure the nine candidates of the example")
    parser.add_argument("--workdir", type=Path, help="of the example, where its candidates stand already")
    parser.add_argument("--raw", type=Path, help="write every trial there, as JSON lines")
    arguments = parser.parse_args()
    print(f"{datetime.now(UTC):%Y-%m-%d}, {cpu_model()}, {physical_cores()} cores")
    evidence, trials = Evidence(), []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        asked = write_model(folder)
        print(json.dumps(handshake(asked, folder)))
        for seed in range(arguments.trials):
            trials.append(trial(seed, asked, folder, arguments.budget, evidence))
            if arguments.raw:
                with arguments.raw.open("a", encoding="utf-8") as file:
                    print(json.dumps(asdict(trials[-1])), file=file)
    if trials:
        print(json.dumps(tell(trials, evidence), indent=1))
    if arguments.nine:
        print(json.dumps(nine(arguments.workdir)))


if __name__ == "__main__":
    main()
