"""`report.json` as types. Its JSON Schema is published in docs/report.schema.json; the version grows with any change
that a reader could trip over. A figure's unit ends its name; `_ci` beside it is its 95 % interval.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

SCHEMA_VERSION = 1

Interval = tuple[float, float]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class OutputDrift(Part):
    max_abs: float
    max_relative: float
    cosine: float
    top1: float | None
    """Share of rows with the same largest element; null where it does not apply."""


class Accuracy(Part):
    """On the evaluation rows, candidate against source."""

    score: float
    source_score: float
    difference: float
    difference_ci: Interval
    rows: int


class ColdStart(Part):
    """Process start to first answer in a fresh process, page cache warm; medians over `n` processes."""

    total_s: float
    total_s_ci: Interval
    interpreter_s: float
    import_s: float
    read_s: float
    open_s: float
    first_run_s: float
    samples_s: list[float]
    page_cache: str
    cold_cache_total_s: float | None = None
    """The same with the artifact's files evicted from the page cache; null where that was not asked for, or could not
    be verified. `benchmark: {cold_page_cache: true}` asks for it."""
    cold_cache_total_s_ci: Interval | None = None
    first_calls_ms: list[float] = []
    """The first call and those after it one by one, medians over the processes."""
    steady_after_s: float | None = None
    """Time in calls after the first until one is within 10 % of what they come to; null where none of the first was."""
    profile: str = ""
    """The longest phase in words."""
    n: int


class Ratio(Part):
    """Of latencies, paired by round; under 1 is faster than the other."""

    value: float
    ci: Interval


class SourceRatio(Ratio):
    """Against the source in its own framework; by processor time and by minima beside it."""

    against: str
    half_width: float
    verdict: str
    cpu: float
    minima: float


class Latency(Part):
    """In-process calls at batch 1."""

    p50_ms: float | None
    p50_ms_ci: Interval
    p90_ms: float | None
    p99_ms: float | None
    """Null where there are fewer than the 662 samples it needs."""
    min_ms: float
    mean_ms: float
    n: int
    rounds: int
    generations: int
    threads: int | None
    """As the runtime reports them."""
    ratio: SourceRatio | None = None
    ratios: dict[str, Ratio] = {}
    """To every other candidate."""


QUANTILES = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)
"""The shares at which `LatencySamples.quantiles_ms` stands."""


class LatencySamples(Part):
    """What plots need of the raw samples, which stay in the store (`files/samples.npz` of the measure step)."""

    quantiles_ms: list[float]
    """Of all calls, at 0, 1, 5, 10, 25, 50, 75, 90, 95, 99 and 100 %."""
    at_s: list[float]
    """When each round (or group of neighbouring rounds) was run, in seconds since the first of the measurement."""
    median_ms: list[float]
    """The median call of that round."""
    generation: list[int]
    """The generation of processes it was run in."""


class Memory(Part):
    """The kernel's peak of the worker process."""

    loaded_bytes: int
    peak_bytes: int
    phases_bytes: dict[str, int] = {}
    """At the end of each phase of the start: import, read, open, first_run."""
    shared_bytes: int = 0
    """Of the peak, pages of files: several workers hold them once."""
    workers: int | None = None
    """Workers that the target's container starts: one for every vCPU."""
    workers_bytes: int | None = None
    """What those hold together."""


class ClosedLoop(Part):
    """Callers that wait for their answer."""

    callers: int
    rows: int
    """Of each request."""
    per_s: float
    """Requests answered in a second."""
    rows_per_s: float
    p50_ms: float | None
    p99_ms: float | None
    n: int


class Probe(Part):
    """Poisson arrivals at one rate; latency from the scheduled time."""

    rate_per_s: float
    p99_ms: float | None
    n: int
    held: bool


class Throughput(Part):
    """Of worker processes that take one request at a time each, first come, first served."""

    workers: int = 0
    rate_per_s: float | None = None
    """The highest rate of one-row requests that was tried and whose p99 was within `p99_target_ms`."""
    p99_target_ms: float | None = None
    per_core_per_s: float | None = None
    best_rows_per_s: float | None = None
    """Of the closed loops, over callers and batch sizes."""
    closed: list[ClosedLoop] = []
    probes: list[Probe] = []
    cut_short: str = ""
    """Why the search for the highest rate ended early."""
    failure: str = ""


class Regression(Part):
    """A call's time over the baseline's, paired by round; under 1 is faster."""

    ratio: float
    ci: Interval
    margin: float
    verdict: str
    """`regressed`, `ok` or `inconclusive`."""


class Cost(Part):
    """By the user's price, at the highest rate that was measured, taken for every core of the type."""

    type: str
    usd_per_hour: float
    per_s: float
    usd_per_million: float
    fidelity: str


class OnTarget(Part):
    """int8 as the target's instruction sets compute it."""

    how: str
    drifted: str
    """Why it is wrong there."""
    unknown: str
    """Why it could not be looked at."""
    drift: dict[str, OutputDrift] | None


class Sizing(Part):
    """A type that holds the winner."""

    name: str
    vcpus: int
    workers: int
    memory_bytes: int
    """Of its workers and the server."""
    per_s: float | None
    usd_per_hour: float | None
    usd_per_million: float | None
    fidelity: str


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
    tried: list[str] = []
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
    settings: dict[str, Any] = {}
    """What its runtime is told beyond its defaults, as the bundle's handler tells it."""


class Trial(Part):
    """One thing the search tried: quantized, checked and, where it clears the bar, timed against fp32."""

    number: int
    candidate: str
    """The candidate it was a trial for: `onnx-auto`."""
    format: str
    method: str
    """As a candidate names it: `dynamic`, `static`; `none` where only the runtime's settings were tried."""
    precision: str
    options: dict[str, Any] = {}
    """Of the quantizer, beyond its defaults."""
    settings: dict[str, Any] = {}
    """Of the runtime, beyond its defaults."""
    state: str
    reason: str
    cleared: bool
    """Whether it clears the bar: the tolerance of its precision, and the accuracy gate."""
    ratio: Ratio | None
    """Of its latency to that of fp32 in the same format; null where it was not timed, being wrong."""
    drift: dict[str, OutputDrift]
    accuracy: Accuracy | None
    size_bytes: int | None
    seconds: float
    """What its steps took when they were carried out, which may have been in an earlier run."""
    frontier: bool
    """Whether no other trial of its format is both faster and nearer to the golden."""
    best: bool
    """Whether the candidate is this trial."""


class LayerSensitivity(Part):
    """What quantizing one layer alone adds to its own output."""

    layer: str
    kind: str
    """The operator."""
    snr_db: float
    """Signal over quantization noise, in decibels: the lower, the more sensitive."""


class SearchReport(Part):
    """How the candidates with the quantization `auto` were found."""

    budget_s: float
    used_s: float
    """Sum of the trials' seconds and of what ranked the layers."""
    stopped: str
    """Why the search ended."""
    trials: list[Trial]
    sensitivity: dict[str, list[LayerSensitivity]] = {}
    """By format and method (`onnx-static`), the most sensitive layer first."""
    slower: dict[str, list[str]] = {}
    """By format: why its int8 is no faster than its fp32 here."""
    notes: list[str] = []
    """What was not tried, and why."""


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
    notes: list[str] = []
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
    applied: list[str] = []
    """What of it was had on this machine while it was measured."""
    not_applied: list[str] = []


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
    bundles: list[BundleReport] = []
    """One for each container that the pipeline file names; `bundle` is the first."""
    source: SourceReport
    target: TargetReport
    machine: dict[str, Any]
    noise: Noise | None = None
    baseline: BaselineReport | None = None
    sizing: list[Sizing] = []
    """For `target: auto` or a family: the types that hold the winner, the one to take first."""
    measured_at: str | None = None
    """When the measurement ended, in UTC; a figure that is served from the store keeps its time."""
    pipeline: dict[str, Any] = {}
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
