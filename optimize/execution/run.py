"""A whole run: steps, measurement, choice, bundle, reports."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from optimize.benchmarks.sizing import check_prices, parse_prices
from optimize.benchmarks.targets import Target
from optimize.bundles.hooks import check_hooks
from optimize.errors import ToolError, UserError
from optimize.execution.baseline import open_baseline
from optimize.execution.estimates import expected_seconds
from optimize.execution.events import Silent, StepResult, Watcher
from optimize.execution.finish import Finish
from optimize.execution.nearness import Nearness, near_to
from optimize.execution.runner import Runner
from optimize.execution.search import search
from optimize.execution.targeting import resolve_target
from optimize.pipeline.loading import PipelineFile, load
from optimize.pipeline.schema import Pipeline
from optimize.plan import Attempt, Candidate, Plan, Stage, make_plan
from optimize.reports.model import Report
from optimize.reports.parquet import need_libraries, write_parquet
from optimize.reports.tracking import log_reports
from optimize.reports.write import need_folder, write_reports
from optimize.store import State, Store

WORKDIR = ".optimize"


@dataclass(frozen=True)
class RunResult:
    """What a run came to. `report` is what stands in report.json; `steps` says how each step ended."""

    report: Report
    steps: tuple[StepResult, ...]
    reports: tuple[Path, ...]

    @property
    def winner(self) -> str | None:
        return self.report.winner

    @property
    def bundle(self) -> Path | None:
        return Path(self.report.bundle.path) if self.report.bundle else None

    @property
    def exit_code(self) -> int:
        return self.report.exit_code

    @property
    def executed(self) -> tuple[str, ...]:
        """Names of the steps that were not served from the store."""
        return tuple(r.step.name for r in self.steps if not r.cached and r.state is not State.SKIPPED)


@dataclass(frozen=True)
class Prepared:
    """Everything that is known before a step is run."""

    file: PipelineFile
    plan: Plan
    near: Nearness


def prepare(
    path: Path, overrides: Sequence[str] = (), only: Sequence[str] = (), until: Stage = Stage.BUNDLE,
    prices: Sequence[str] = (),
) -> Prepared:  # fmt: skip
    """Read and plan. Raises UserError; runs and writes nothing."""
    file = load(path, overrides)
    if prices:
        together = {**file.pipeline.prices, **parse_prices(prices)}
        file = replace(file, pipeline=file.pipeline.model_copy(update={"prices": together}))
    try:
        target = resolve_target(file.pipeline.target)
        near = near_to(file.pipeline, target)
        need_libraries(file.pipeline.report)
        check_cost(file.pipeline, target)
        plan = make_plan(file.pipeline, only, until)
    except UserError as error:
        raise (file.located(error) if error.key else error) from error
    return Prepared(file, plan, near)


def check_cost(pipeline: Pipeline, target: Target) -> None:
    """Raises UserError for a price of an unknown type, and for an objective that lacks its price."""
    own = target.kind in ("local", "profile")
    check_prices(pipeline.prices, target.name if own else "")
    below = {"auto": "", "family": f"{target.name}."}.get(target.kind, target.name)
    if pipeline.objective == "cost" and not any(name.startswith(below) for name in pipeline.prices):
        named = target.name if below == target.name else f"{below or 'ml.c7i.'}large"
        raise UserError(
            f"cost is counted with your prices, and the file has none for {target.name}; add US dollars an hour: "
            f"prices: {{{named}: 0.2}}, or --price {named}=0.2",
            "objective",
        )


def run(
    path: str | Path = "pipeline.yaml",
    *,
    overrides: Sequence[str] = (),
    only: Sequence[str] = (),
    until: str = "bundle",
    workdir: str | Path | None = None,
    watcher: Watcher | None = None,
    baseline: str | Path | None = None,
    prices: Sequence[str] = (),
) -> RunResult:
    """What `optimize run` does, without the terminal.

    `overrides` are `KEY=VALUE`; `only` are names of candidates; `until` is the last stage; `baseline` is an old
    artifact to measure beside the candidates; `prices` are `TYPE=DOLLARS` an hour. Raises UserError and ToolError; a
    gate that fails is a result, with exit code 1.
    """
    prepared = prepare(Path(path), overrides, only, Stage(until), prices)
    check_baseline(prepared.file, baseline)
    need_folder(prepared.file.resolve(prepared.file.pipeline.report.folder).resolve())
    _check_hooks(prepared)
    # Absolute, since workers start in folders of their own.
    root = Path(workdir).resolve() if workdir else prepared.file.base / WORKDIR
    watcher = watcher or Silent()
    with locked(root):
        store = Store(root)
        store.clear_staging()
        runner = Runner(prepared.file, store, watcher, prepared.near.threads, prepared.near.target)
        old = open_baseline(Path(baseline).resolve(), root / "baselines") if baseline else None
        plan = _run_plans(prepared, only, runner, watcher)
        _need_golden(runner)
        searched = search(runner, plan, prepared.near.emulation)
        plan = searched.plan if searched else plan
        finish = Finish(runner, plan, prepared.near, old, searched)
        report = finish.run()
        folder = prepared.file.resolve(prepared.file.pipeline.report.folder)
        paths = write_reports(report, folder)
        if prepared.file.pipeline.report.parquet:
            paths += write_parquet(report, _samples(runner), folder)
    if prepared.file.pipeline.report.mlflow:
        log_reports(folder, prepared.file.pipeline.report.mlflow)
    return RunResult(report, tuple(runner.results.values()), paths)


def check_baseline(file: PipelineFile, baseline: str | Path | None) -> None:
    if file.pipeline.gates.regression is not None and baseline is None:
        raise file.located(
            UserError(
                "it holds the winner against an old artifact, which is measured again beside it, and none was given; "
                "type: optimize run --baseline PATH, the model.tar.gz of an earlier run",
                "gates.regression",
            )
        )


def _check_hooks(prepared: Prepared) -> None:
    """Before anything is made: the user's file is imported, in a process of its own."""
    code = prepared.file.pipeline.bundle.code
    if code and prepared.plan.until is Stage.BUNDLE:
        try:
            check_hooks(prepared.file.resolve(code))
        except UserError as error:
            raise prepared.file.located(error) from error


def _run_plans(prepared: Prepared, only: Sequence[str], runner: Runner, watcher: Watcher) -> Plan:
    """The plan that was carried out last: where a stage could not do this model, the plan is made again around it, as
    long as that leads to other paths."""
    plan, failed = prepared.plan, set[Attempt]()
    while True:
        watcher.planned(plan, expected_seconds(plan, runner.store.root))
        runner.run_plan(plan)
        if runner.failed_attempts() <= failed:
            return plan
        failed |= runner.failed_attempts()
        around = make_plan(prepared.file.pipeline, only, plan.until, failed)
        if [c.converter for c in around.candidates] == [c.converter for c in plan.candidates]:
            return plan
        candidates = zip(plan.candidates, around.candidates, strict=True)
        plan = replace(around, candidates=tuple(_with_tried(before, now, runner) for before, now in candidates))


def _with_tried(before: Candidate, now: Candidate, runner: Runner) -> Candidate:
    if now.converter == before.converter:
        return replace(now, tried=before.tried)
    result = runner.results[before.artifact]
    return replace(now, tried=(*before.tried, f"{before.converter}: {result.state}: {result.reason}"))


def _samples(runner: Runner) -> Path | None:
    """Every call that was timed, where the measurement came to its end."""
    measure = runner.results.get("measure")
    return measure.made.files / "samples.npz" if measure and measure.state is State.OK else None


def _need_golden(runner: Runner) -> None:
    result = runner.results["golden"]
    if result.state is not State.OK:
        raise ToolError(
            f"the source could not be run to make the golden: it ended {result.state}: {result.reason}\n"
            f"its log is {result.log}; to run it again alone: {result.reproduce}"
        )


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """One run at a time per working directory: two would disturb each other's measurements."""
    fresh = not root.exists()
    root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(root / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ToolError(f"another run is using {root}; wait for it, or give this one its own --workdir") from None
    try:
        yield
    except UserError:
        if fresh and not any(root.glob("store/*/*/*/*")):
            shutil.rmtree(root)  # Nothing was carried out: leave the folder as it was found.
        raise
    finally:
        lock.release()
