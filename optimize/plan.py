"""From a pipeline to the steps that carry it out. Pure: nothing of the user's is read from disk, and nothing is run."""

from __future__ import annotations

import heapq
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import count
from typing import Any

from optimize import stages
from optimize.bundles.choice import check_section, read_limits, why_not_bundled
from optimize.bundles.images import Content
from optimize.errors import UserError
from optimize.execution.targeting import resolve_target
from optimize.methods import AUTO, Method, find_method, methods, precision_of
from optimize.pipeline.method_options import converter_section, stage_options, stage_section
from optimize.pipeline.schema import Pipeline
from optimize.pipeline.wording import nearest
from optimize.sections import Section


class Stage(StrEnum):
    """The stages of a run, in order."""

    GOLDEN = "golden"
    CONVERT = "convert"
    QUANTIZE = "quantize"
    CHECK = "check"
    MEASURE = "measure"
    BUNDLE = "bundle"

    def after(self, other: Stage) -> bool:
        order = list(Stage)
        return order.index(self) > order.index(other)


@dataclass(frozen=True)
class Step:
    """One piece of work, done in a process of its own.

    `module` is the stage module that does it; `needs` are the steps whose results it reads; `options` are those of a
    quantizer's method or of a converter, all of them; `settings` are those of a check's runtime.
    """

    name: str
    stage: Stage
    module: str
    needs: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    makes: tuple[str, str] = ("", "")
    options: Mapping[str, Any] = field(default_factory=dict)
    calibrated: bool = False
    targeted: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return self.name.replace(":", " ", 1)


@dataclass(frozen=True)
class Route:
    """How a search can quantize in one format: the step, with the method's options as the file has them, and the
    stages that lead through it."""

    step: Step
    converter: str


@dataclass(frozen=True)
class Candidate:
    """A path through the plan to something that could be deployed.

    `artifact` is the step that makes it and `check` the one that judges it; where no path exists they are empty and
    `reason` says why. `tried` says what came of the paths before this one; `settings` is what its runtime is told.

    One whose quantization is `auto` stands on fp32 until the search has found its `method`; `routes` are what the
    search has to choose from, and `remark` is what it has to say.
    """

    name: str
    format: str
    quantization: str
    artifact: str = ""
    check: str = ""
    converter: str = ""
    reason: str = ""
    tried: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    method: str = ""
    routes: tuple[Route, ...] = ()
    remark: str = ""

    @property
    def precision(self) -> str:
        return precision_of(self.method or self.quantization, self.format)


@dataclass(frozen=True)
class Plan:
    """Steps in an order in which each comes after what it needs, and the candidates they lead to."""

    steps: Mapping[str, Step]
    candidates: tuple[Candidate, ...]
    until: Stage


Node = tuple[str, str]
"""Format and quantization; for a source, its kind and `none`, or `source` before it is adopted into the store."""

Attempt = tuple[str, Node]
"""A stage's module, and what it was to make."""


@dataclass(frozen=True)
class Edge:
    """A stage as the path search sees it: from one node to another."""

    name: str
    start: Node
    end: Node
    libraries: tuple[str, ...]
    module: str
    method: Method | None = None
    """Of a quantizer."""
    section: type[Section] | None = None
    """Of a converter that can be set."""

    @property
    def attempt(self) -> Attempt:
        return self.module, self.end


@dataclass(frozen=True)
class Ways:
    """What leads from the source to candidates."""

    pipeline: Pipeline
    edges: Sequence[Edge]
    origins: Sequence[Node]
    failed: Container[Attempt]
    until: Stage

    def to(self, format: str, quantization: str) -> list[Edge] | None:
        return shortest_path(self.edges, self.origins, (format, quantization), self.failed)

    def unserved(self, content: Content) -> str:
        """Why it could not be bundled; that is no matter where the run ends before."""
        if self.until is not Stage.BUNDLE:
            return ""
        return why_not_bundled(self.pipeline.bundle, resolve_target(self.pipeline.target), content)


def make_plan(
    pipeline: Pipeline, only: Sequence[str] = (), until: Stage = Stage.BUNDLE, failed: Container[Attempt] = ()
) -> Plan:
    """Ways around the attempts that `failed` are taken where there are any.

    Raises UserError for a candidate in `only` that is not in the file, or a format nobody makes.
    """
    check_section(pipeline.bundle, resolve_target(pipeline.target))
    candidates = _expand(pipeline)
    _check_only(only, candidates)
    ways = Ways(pipeline, *find_edges(pipeline.source.kind), failed, until)
    steps: dict[str, Step] = {"golden": _golden(pipeline)}
    planned = [
        _plan_candidate(candidate, ways, steps) for candidate in candidates if not only or candidate.name in only
    ]
    kept = {name: step for name, step in steps.items() if not step.stage.after(until)}
    return Plan(kept, tuple(planned), until)


def _expand(pipeline: Pipeline) -> list[Candidate]:
    made = {stage.makes for table in (stages.converters(), stages.quantizers()) for stage in table.values()}
    runnable = stages.runtimes()
    for index, name in enumerate(pipeline.candidates.formats):
        if name not in runnable:
            others = ", ".join(sorted(made & runnable.keys()))
            raise UserError(f"{name!r} is not a format; one of {others}", f"candidates.formats.{index}")
    known = ["none", *methods(), AUTO]
    for index, name in enumerate(pipeline.candidates.quantization):
        if name not in known:
            raise UserError(
                f"{name!r} is no method of quantization{nearest(name, known)}; one of {', '.join(known)}",
                f"candidates.quantization.{index}",
            )
    return [
        Candidate(f"{name}-{quantization}", name, quantization)
        for name in pipeline.candidates.formats
        for quantization in pipeline.candidates.quantization
    ]


def _check_only(only: Sequence[str], candidates: Sequence[Candidate]) -> None:
    names = [candidate.name for candidate in candidates]
    for name in only:
        if name not in names:
            raise UserError(f"--only {name}: the pipeline file has no such candidate; it has {', '.join(names)}")


def _golden(pipeline: Pipeline) -> Step:
    source = stages.stages("sources")[pipeline.source.kind]
    return Step("golden", Stage.GOLDEN, source.__name__, libraries=source.libraries)


def find_edges(kind: str) -> tuple[list[Edge], list[Node]]:
    """All stages as edges, and the nodes a source of this kind stands on: its own first.

    A converter that reads and makes the same format adopts a source of that kind: what it makes is the format's own
    layout in the store, and every other stage starts from that.
    """
    edges = []
    for name, converter in stages.converters().items():
        start = (converter.reads, "source" if converter.reads == converter.makes else "none")
        end, section = (converter.makes, "none"), converter_section(converter)
        edges.append(Edge(name, start, end, converter.libraries, _module(converter), section=section))
    for name, quantizer in stages.quantizers().items():
        method = quantizer.method
        end = (quantizer.makes, method.name)
        edges.append(Edge(name, (quantizer.reads, "none"), end, quantizer.libraries, _module(quantizer), method))
    adopted = any(edge.start == (kind, "source") for edge in edges)
    others = stages.stages("sources")[kind].read_as
    return edges, [(kind, "source" if adopted else "none"), *((other, "none") for other in others if other != kind)]


def _module(stage: Any) -> str:
    name: str = stage.__name__
    return name


def shortest_path(
    edges: Sequence[Edge], starts: Sequence[Node], end: Node, failed: Container[Attempt] = ()
) -> list[Edge] | None:
    """Fewest of the attempts that `failed`, then fewest stages; among equals by the place of the last in the tables."""
    order = count()
    todo: list[tuple[int, int, int, int, Node, list[Edge]]] = [(0, 0, 0, next(order), start, []) for start in starts]
    seen: set[Node] = set()
    while todo:
        failures, length, _, _, node, path = heapq.heappop(todo)
        if node == end:
            return path
        if node in seen:
            continue
        seen.add(node)
        for place, edge in enumerate(edges):
            if edge.start == node:
                again = failures + (edge.attempt in failed)
                heapq.heappush(todo, (again, length + 1, place, next(order), edge.end, [*path, edge]))
    return None


def _plan_candidate(candidate: Candidate, ways: Ways, steps: dict[str, Step]) -> Candidate:
    if candidate.quantization == AUTO:
        return _plan_search(candidate, ways, steps)
    pipeline, path = ways.pipeline, ways.to(candidate.format, candidate.quantization)
    if not path:
        return replace(candidate, reason=_no_path(candidate, pipeline.source.kind))
    unserved = ways.unserved(Content(candidate.format, candidate.quantization))
    if unserved:
        return replace(candidate, reason=unserved)
    needs = _add_steps(path, pipeline, steps)
    runtime = stages.runtimes()[candidate.format]
    settings = pipeline.candidates.settings.get(candidate.format, {})
    check = Step(
        f"check:{candidate.name}", Stage.CHECK, _module(runtime), needs, runtime.libraries,
        makes=(candidate.format, candidate.quantization), settings=settings,
    )  # fmt: skip
    steps[check.name] = check
    return replace(candidate, artifact=needs[-1], check=check.name, converter=_words(path), settings=settings)


def _add_steps(path: Sequence[Edge], pipeline: Pipeline, steps: dict[str, Step]) -> tuple[str, ...]:
    """What a step after them needs."""
    needs: tuple[str, ...] = ("golden",)
    for edge in path:
        step = _stage_step(edge, needs, pipeline)
        steps.setdefault(step.name, step)
        needs = ("golden", step.name)
    return needs


def _words(path: Sequence[Edge]) -> str:
    return " → ".join(edge.name for edge in path)


def _plan_search(candidate: Candidate, ways: Ways, steps: dict[str, Step]) -> Candidate:
    """fp32, and what every method of the format starts from; quantizing is the search's."""
    plain = replace(candidate, name=f"{candidate.format}-none", quantization="none")
    plain = _plan_candidate(plain, ways, steps)
    pipeline, routes = ways.pipeline, []
    for name, formats in methods().items():
        path = ways.to(candidate.format, name) if candidate.format in formats else None
        if not path or ways.unserved(Content(candidate.format, name)):
            continue
        if pipeline.data.calibration or not formats[candidate.format].calibrated:
            needs = _add_steps(path[:-1], pipeline, steps)
            routes.append(Route(_stage_step(path[-1], needs, pipeline), _words(path)))
    return replace(plain, name=candidate.name, quantization=AUTO, routes=tuple(routes))


def _stage_step(edge: Edge, needs: tuple[str, ...], pipeline: Pipeline) -> Step:
    made_format, quantization = edge.end
    method = edge.method
    if method is None:
        return Step(
            f"convert:{made_format}", Stage.CONVERT, edge.module, needs, edge.libraries, edge.end,
            _converter_options(edge, pipeline),
        )  # fmt: skip
    if method.calibrated and not pipeline.data.calibration:
        raise UserError(
            f"{quantization} quantization reads calibration data, and the file names none; add `data: {{calibration: "
            f"calibration.npz}}`, or take `{quantization}` out of candidates.quantization",
            "candidates.quantization",
        )
    name = f"{made_format}-{quantization}"
    section = stage_section(pipeline.candidates, name, method.options)
    return Step(
        f"quantize:{name}", Stage.QUANTIZE, edge.module, needs, (*edge.libraries, *section.libraries()), edge.end,
        section.model_dump(mode="json"), method.calibrated, method.targeted,
    )  # fmt: skip


def _converter_options(edge: Edge, pipeline: Pipeline) -> dict[str, Any]:
    """Where they bound what the image reads, the lower bound counts."""
    if edge.section is None:
        return {}
    options = stage_options(pipeline.candidates, "-".join(edge.end), edge.section)
    limits = read_limits(pipeline.bundle, edge.end[0])
    return options | {name: min(most, options[name] or most) for name, most in limits.items() if name in options}


def _no_path(candidate: Candidate, kind: str) -> str:
    if candidate.quantization != "none" and not find_method(candidate.quantization, candidate.format):
        return f"no quantizer makes {candidate.format} by {candidate.quantization}; see docs/quantization.md"
    what = candidate.format if candidate.quantization == "none" else f"{candidate.format} by {candidate.quantization}"
    return f"no converter leads from a {kind} source to {what}; see docs/formats.md for the paths there are"
