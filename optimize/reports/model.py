"""`report.json` as types. Its JSON Schema is published in docs/report.schema.json; the version grows with any change
that a reader could trip over. A figure's unit ends its name; `_ci` beside it is its 95 % interval.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from optimize.benchmarks.sizing import Fit
from optimize.reports.figures import (
    Accuracy,
    ColdStart,
    Cost,
    Interval,
    Latency,
    LatencySamples,
    Memory,
    OnTarget,
    OutputDrift,
    Part,
    Regression,
    Throughput,
)
from optimize.reports.search_model import SearchReport

SCHEMA_VERSION = 1


class BaselineReport(Part):
    """The old artifact, measured again beside the candidates."""

    path: str
    format: str
    quantization: str
    digest: str
    failure: str = ""
    cold_start: ColdStart | None = None
    latency: Latency | None = None
    memory: Memory | None = None


class Gate(Part):
    name: str
    bound: float
    value: float | None
    held: bool
    detail: str


class StepReport(Part):
    """One step on the way to a candidate."""

    name: str
    stage: str
    needs: list[str]
    """Names of the steps whose results it read."""
    state: str
    reason: str
    method: str
    notes: list[str]
    seconds: float | None
    peak_bytes: int | None
    cached: bool
    versions: dict[str, str]
    log: str
    reproduce: str


class CandidateReport(Part):
    name: str
    format: str
    quantization: str
    precision: str
    state: str
    reason: str
    """Why it won, lost, or ended in its state."""
    converter: str
    """The stages that made it."""
    tried: list[str] = Field(default=[])
    """Paths that come before this one in order, and what came of them."""
    method: str
    drift: dict[str, OutputDrift]
    accuracy: Accuracy | None
    cold_start: ColdStart | None
    latency: Latency | None
    samples: LatencySamples | None = None
    memory: Memory | None
    throughput: Throughput | None = None
    cost: Cost | None = None
    regression: Regression | None = None
    on_target: OnTarget | None = None
    """Null where the target's instruction sets make no difference that could be seen here."""
    size_bytes: int | None
    fidelity: str
    gates: list[Gate]
    steps: list[str]
    settings: dict[str, Any] = Field(default={})
    """What its runtime is told beyond its defaults, as the bundle's handler tells it."""


class Served(Part):
    """Over HTTP, one client on one connection, at the smallest sample."""

    cold_start_s: float | None
    """Server start to the first right answer; null where the first answer was wrong."""
    p50_ms: float
    p90_ms: float
    requests: int


class BundleReport(Part):
    path: str
    digest: str
    size_bytes: int
    container: str
    booted: str
    """How it was opened before it was emitted; where no real server was started, why not."""
    served: Served | None
    """Through the container's own server on this machine; null where none was started."""
    notes: list[str] = Field(default=[])
    """What the serving image has to be, where that is not plain."""


class SourceReport(Part):
    kind: str
    signature: dict[str, Any]
    digest: str = ""
    """Of the golden: equal where the same model gave the same answers to the same samples."""
    size_bytes: int | None = None
    """Of the files that the pipeline file names."""
    samples: str
    """Where the golden's samples come from: evaluation, calibration or random."""
    rows: int
    score: float | None
    timed: LatencySamples | None = None
    cold_start: ColdStart | None
    latency: Latency | None
    memory: Memory | None


class TargetReport(Part):
    name: str
    vcpus: int
    memory_bytes: int
    architecture: str
    isa: list[str]
    fidelity: str
    threads: int
    """Intra-operator threads that candidates were given."""
    applied: list[str] = Field(default=[])
    """What of it was had on this machine while it was measured."""
    not_applied: list[str] = Field(default=[])


class Noise(Part):
    """How quiet the machine was while latency was measured. What the kernel does not count is null."""

    verdict: str
    """`quiet`, `noisy` or `unusable`."""
    because: list[str]
    control_of: str
    """The candidate that was compared with itself in neighbouring rounds; `control` is that ratio, 1 but for noise."""
    control: float | None
    control_ci: Interval | None
    on_core_share: float
    """The least share of its wall time that a single-threaded candidate had its core."""
    switches_per_s: float | None = None
    """Involuntary context switches in a second of slices."""
    other_cores: float | None
    """Cores' worth of work by other processes."""
    steal_share: float | None
    pressure_share: float | None


class Report(Part):
    schema_version: int = SCHEMA_VERSION
    tool_version: str
    name: str
    until: str
    winner: str | None
    sentence: str
    """The result in one sentence."""
    exit_code: int
    objective: str
    bundle: BundleReport | None
    bundles: list[BundleReport] = Field(default=[])
    """One for each container that the pipeline file names; `bundle` is the first."""
    source: SourceReport
    target: TargetReport
    machine: dict[str, Any]
    noise: Noise | None = None
    baseline: BaselineReport | None = None
    sizing: list[Fit] = Field(default=[])
    """For `target: auto` or a family: the types that hold the winner, the one to take first."""
    measured_at: str | None = None
    """When the measurement ended, in UTC; a figure that is served from the store keeps its time."""
    pipeline: dict[str, Any] = Field(default={})
    """The pipeline file as it was understood, defaults filled in."""
    candidates: list[CandidateReport]
    steps: list[StepReport]
    search: SearchReport | None = None
    """Null where no candidate was searched for."""
    warnings: list[str]

    @property
    def emitted(self) -> list[BundleReport]:
        """All bundles, also of a report that knows only one."""
        return self.bundles or ([self.bundle] if self.bundle else [])
