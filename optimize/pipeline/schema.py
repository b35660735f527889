"""The pipeline file as frozen typed objects. No input or output happens here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, SerializeAsAny, field_validator, model_validator

from optimize.durations import seconds
from optimize.methods import AUTO
from optimize.pipeline.data import Data
from optimize.pipeline.targets import TargetSection
from optimize.sections import Section
from optimize.sources.base import SourceOptions

Objective = Literal["latency", "cold_start", "throughput", "cost", "size", "memory"]


class Candidates(Section):
    """What is made: every format at every quantization. `quantization: auto` is short for `[none, auto]`."""

    formats: tuple[str, ...] = Field(default=("torchscript", "onnx", "saved_model"), min_length=1)
    quantization: tuple[str, ...] = Field(default=("none", "dynamic", "static"), min_length=1)
    """`none`, and names of methods: docs/quantization.md has them. `auto` searches for the fastest that is right, and
    brings `none` with it, against which it is timed."""
    options: dict[str, dict[str, Any]] = Field(default={})
    """By candidate, what its method or converter is to do otherwise than by default: `onnx-static: {calibration:
    percentile}`, `onnx-none: {opset: 17}`."""
    settings: dict[str, dict[str, Any]] = Field(default={})
    """By format, what its runtime is told, in the bundle too: `onnx: {spinning: false, threads: 1}`."""
    budget: str | int | float = "10m"
    """Time for the trials of `auto`, as they once took: `90s`, `10m`, `1.5h`."""
    tune: bool = False
    """Let `auto` try settings of the runtime too."""

    @field_validator("quantization", mode="before")
    @classmethod
    def _auto_beside_none(cls, value: Any) -> Any:
        value = [AUTO] if value == AUTO else value
        return ["none", *value] if isinstance(value, list | tuple) and AUTO in value and "none" not in value else value

    @field_validator("budget")
    @classmethod
    def _some_time(cls, value: str | float) -> str | float:
        seconds(value)
        return value

    @model_validator(mode="after")
    def _search_of_something(self) -> Self:
        for key in ("budget", "tune"):
            if key in self.model_fields_set and AUTO not in self.quantization:
                raise ValueError(f"{key} is for a search, and nothing is searched for; write `quantization: auto`")
        return self

    @property
    def budget_s(self) -> float:
        return seconds(self.budget)

    @field_validator("formats", "quantization")
    @classmethod
    def _no_repeats(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        repeated = sorted({item for item in value if value.count(item) > 1})
        if repeated:
            raise ValueError(f"{', '.join(repeated)} stands here twice; name each once")
        return value


class Tolerance(Section):
    """How far outputs may be from the golden before a candidate is `drifted`. A bound that is null is not applied."""

    max_relative: PositiveFloat | None = None
    """Largest |candidate - golden| over max(|golden|, root mean square of the golden)."""
    cosine: Annotated[float, Field(ge=-1, le=1)] | None = None
    """Cosine of the angle between the two, all rows together, at least."""
    top1: Annotated[float, Field(ge=0, le=1)] | None = None
    """Share of rows with the same largest element, at least; applies to float outputs of shape [batch, classes]."""


class Tolerances(Section):
    """Drift bounds by the precision of the candidate."""

    fp32: Tolerance = Tolerance(max_relative=1e-3, cosine=0.99999)
    fp16: Tolerance = Tolerance(cosine=0.9999, top1=0.99)
    bf16: Tolerance = Tolerance(cosine=0.999, top1=0.98)
    int8: Tolerance = Tolerance(cosine=0.97, top1=0.95)
    int4: Tolerance = Tolerance(cosine=0.93, top1=0.9)
    accept_constant: bool = False
    """Accept a source whose outputs are the same for every sample, against which no drift can be seen."""


class Gates(Section):
    """Bounds the winner must meet. What is left out is not a gate."""

    accuracy_drop: Annotated[float, Field(ge=0)] | None = None
    """Largest loss of the metric against the source (0.01 is one point of accuracy)."""
    p50_ms: PositiveFloat | None = None
    """Median in-process latency at batch 1, in milliseconds."""
    p99_ms: PositiveFloat | None = None
    cold_start_s: PositiveFloat | None = None
    """Median time from process start to the first answer, in seconds."""
    size_mb: PositiveFloat | None = None
    """Bytes of the artifact, in units of 10^6."""
    memory_mb: PositiveFloat | None = None
    """Peak memory of a fresh process that loads and runs it, in units of 10^6 bytes."""
    throughput_per_s: PositiveFloat | None = None
    """Requests of one row in a second, at least, with the p99 of `benchmark.throughput` kept."""
    regression: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of time that a call may take more than one of the old artifact that `optimize run --baseline` names
    (`2%`, or 0.02). That is measured again beside the candidates. Never 0: two sessions of one artifact differ."""

    @field_validator("regression", mode="before")
    @classmethod
    def _percent(cls, value: Any) -> Any:
        if isinstance(value, str) and value.strip().endswith("%"):
            try:
                return float(value.strip()[:-1]) / 100
            except ValueError:
                return value
        return value


class Throughput(Section):
    """How throughput is measured, for each candidate. `throughput: true` is short for all defaults."""

    p99_ms: PositiveFloat | None = None
    """The highest rate of Poisson arrivals is sought whose p99, from the scheduled time, is within this; by default the
    gate `p99_ms`, or ten times what a call takes (5 ms at least)."""
    callers: tuple[PositiveInt, ...] = ()
    """Callers of the closed loop, each waiting for its answer; by default one, and one and two for every worker."""
    batches: tuple[PositiveInt, ...] = (4, 16)
    """Rows of a request, where the batch is a named dimension."""
    budget_s: PositiveFloat = 20.0
    """For one candidate."""
    seconds: PositiveFloat = 0.5
    """For one point of the closed loop."""


class Benchmark(Section):
    """How it is measured."""

    processes: Annotated[int, Field(ge=3, le=100)] = 5
    """Fresh processes per candidate, at least: each start is a cold-start sample, and holds a generation of latency
    rounds."""
    threads: PositiveInt | None = None
    """Intra-operator threads; by default the physical cores of the target, at most those of this machine."""
    budget_s: PositiveFloat = 10.0
    """Time for latency rounds, starts not counted."""
    total_s: Annotated[float, Field(ge=0)] = 60.0
    """While an interval is wider than `half_width` and `budget_s` is not spent, generations are added to `processes` as
    long as the whole is expected to end within so many seconds."""
    cold_page_cache: bool = False
    """Also take cold starts with the artifact's files out of the page cache; where the kernel lets go of them."""
    throughput: Throughput | None = None
    """Measured where this stands, and where the objective, a gate or a price needs it."""
    half_width: PositiveFloat = 0.015
    """Stop when the ratio's interval is this narrow on each side."""
    inconclusive: Literal["accept", "refuse"] = "accept"
    """What to do when the winner's interval is still wider than `half_width` at the end of the budget: `refuse` bundles
    nothing, and ends with exit code 4."""
    seed: int = 0


class Limits(Section):
    """What one step may use before it is stopped."""

    time_s: PositiveFloat = 1800.0
    memory_mb: PositiveFloat | None = None
    """By default 80 % of the machine's memory."""


class Bundle(Section):
    """What is emitted."""

    container: str | tuple[str, ...] = "auto"
    """`auto` (the leanest that serves the winner), the name of a container (`optimize doctor` lists them), or a list of
    names: one tar for each, `model.tar.gz` becoming `model-NAME.tar.gz`."""
    output: str = "build/model.tar.gz"
    image: str | None = None
    """The serving image: its URI, or `pytorch-inference:2.6.0`. What it cannot read is not made."""
    code: str | None = None
    """Your own Python file with `pre(body, content_type)` and `sample()`, with `post(outputs, accept)`, or with all."""
    multi_model: bool = False
    """The tar is for a multi-model endpoint, and is booted as one loads it."""
    compression: Literal["auto"] | Annotated[int, Field(ge=0, le=9)] = "auto"
    """Level of gzip; `auto` stores weights (0), and takes 1 where that saves more than a fifth."""
    gzip_threads: PositiveInt | None = None
    """By default one for each core. The bytes are the same for any number."""

    @field_validator("container")
    @classmethod
    def _named_once(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if not value or (not isinstance(value, str) and len(set(value)) < len(value)):
            raise ValueError("name at least one container, and each once")
        return value

    @property
    def containers(self) -> tuple[str, ...]:
        return (self.container,) if isinstance(self.container, str) else self.container


class Reports(Section):
    """Where the reports go."""

    folder: str = "build"
    parquet: bool = False
    """Also write `measurements.parquet`, and every call that was timed into `samples.parquet` (extra `parquet`)."""
    mlflow: str | None = None
    """URI of the MLflow tracking that the run is logged to: http://host:5000, or sqlite:///mlflow.db."""


class Pipeline(Section):
    """A pipeline file. Paths are relative to it."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=63)
    source: SerializeAsAny[SourceOptions]
    data: Data = Data()
    candidates: Candidates = Candidates()
    target: TargetSection = TargetSection()
    accept: Literal["emulated", "foreign"] | None = None
    """Let a gate on an absolute time or memory be judged by figures of this fidelity, measured on another machine."""
    tolerances: Tolerances = Tolerances()
    gates: Gates = Gates()
    objective: Objective = "latency"
    prices: Mapping[str, PositiveFloat] = Field(default={})
    """US dollars an hour by instance type (`ml.c7i.large: 0.2`); none come with the tool."""
    benchmark: Benchmark = Benchmark()
    limits: Limits = Limits()
    bundle: Bundle = Bundle()
    report: Reports = Reports()

    @model_validator(mode="before")
    @classmethod
    def _in_short(cls, value: Any) -> Any:
        """`report: DIR` is short for `{folder: DIR}`, and `target: NAME` for `{name: NAME}`."""
        match value:
            case {"report": str(folder)}:
                value = {**value, "report": {"folder": folder}}
        match value:
            case {"target": str(name)}:
                value = {**value, "target": {"name": name}}
        match value:
            case {"benchmark": {"throughput": bool(wanted)} as benchmark}:
                value = {**value, "benchmark": {**benchmark, "throughput": {} if wanted else None}}
        return value

    @model_validator(mode="before")
    @classmethod
    def _static_needs_data(cls, value: Any) -> Any:
        """Static quantization is made by default only where there is calibration data for it."""
        if not isinstance(value, dict) or not isinstance(value.get("candidates", {}), dict):
            return value
        data, candidates = value.get("data") or {}, value.get("candidates", {})
        if "quantization" in candidates or (isinstance(data, dict) and data.get("calibration")):
            return value
        return {**value, "candidates": {**candidates, "quantization": ["none", "dynamic"]}}

    @property
    def throughput(self) -> Throughput | None:
        """How it is measured, or None where nothing asks for it: it takes as long as all the rest."""
        asked = self.objective in ("throughput", "cost") or self.gates.throughput_per_s or self.prices
        return self.benchmark.throughput or (Throughput() if asked else None)
