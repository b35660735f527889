"""The figures of a candidate as they stand in `report.json`. A figure's unit ends its name; `_ci` beside it is its 95 %
interval."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

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
