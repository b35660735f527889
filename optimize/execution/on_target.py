"""int8 candidates held against the target's instruction sets; `target_check` is what runs in the worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from optimize import stages
from optimize.benchmarks.emulation import CAPPED, isa_caps
from optimize.benchmarks.targets import Isa, Target, local_isa
from optimize.drift import judge
from optimize.execution.events import StepResult
from optimize.execution.keys import step_key
from optimize.execution.request import Request
from optimize.execution.runner import Runner
from optimize.execution.target_check import EMULATOR, emulator
from optimize.plan import Candidate, Stage, Step
from optimize.store import State


@dataclass(frozen=True)
class OnTarget:
    """How a candidate is under its target's instruction sets: `drifted` says why it is wrong there, `how` under what it
    was looked at, and `unknown` why it could not be."""

    how: str = ""
    drifted: str = ""
    unknown: str = ""
    drift: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def must_check(target: Target, candidate: Candidate, source: str, here: Isa | None = None) -> bool:
    """int8 on a target whose kernels saturate, made on a machine whose kernels do not. `source` is its kind: whether an
    ONNX file of the user's is quantized already, the check there finds out."""
    here = here or local_isa()
    return (candidate.precision == "int8" or _adopted(candidate, source)) and (
        target.isa.saturates and not here.saturates
    )


def _adopted(candidate: Candidate, source: str) -> bool:
    return candidate.quantization == "none" and candidate.format == source == "onnx"


def check_on_target(runner: Runner, candidate: Candidate) -> OnTarget:
    """Runs the check again as the target would compute it; from the store where that was done before."""
    target = runner.target
    capped = candidate.format in CAPPED
    if not capped and emulator() is None and candidate.precision == "int8":
        return OnTarget(unknown=f"{candidate.format} kernels heed no switch, and {EMULATOR} is not installed")
    result = _run(runner, candidate, not capped)
    if result.state is not State.OK:
        return OnTarget(unknown=f"the check there ended {result.state}: {result.reason}")
    payload = result.payload
    if payload.get("float"):
        return OnTarget()
    tolerance = runner.file.pipeline.tolerances.int8
    drifted = judge(payload["drift"], list(payload["problems"]), tolerance)
    if drifted:
        drifted = (
            f"right on this machine, and wrong on {target.name}, which has no VNNI: u8 x s8 products saturate there "
            f"({payload['how']}): {drifted}"
        )
    return OnTarget(payload["how"], drifted, drift=payload["drift"])


def _run(runner: Runner, candidate: Candidate, emulate: bool) -> StepResult:
    runtime = stages.runtimes()[candidate.format]
    module: str = runtime.__name__  # type: ignore[attr-defined]
    step = Step(
        f"check-on-target:{candidate.name}", Stage.CHECK, module, (candidate.artifact,), runtime.libraries,
        makes=(candidate.format, candidate.quantization),
    )  # fmt: skip
    parameters = {
        "threads": runner.threads,
        "settings": dict(candidate.settings),
        "emulate": emulate,
        "only_integers": candidate.precision != "int8",
        "environment": {} if emulate else isa_caps(runner.target.isa, local_isa()),
    }
    inputs = {"golden": runner.golden().digest, "model": runner.results[candidate.artifact].made.digest}
    key = step_key(step, inputs=inputs, files={}, parameters={**parameters, "on": "target"})
    request = Request(
        "check-on-target", step.module, {"model": runner.artifact(candidate.artifact)}, str(runner.golden().files),
        parameters=parameters,
    )  # fmt: skip
    # An emulator takes memory of its own, that the target would not.
    limits = runner.limits if emulate else runner.limits_of(step)
    result = runner.run_request(step, key, lambda: request, limits)
    runner.results[step.name] = result
    return result
