"""In which order things are tried: a conversation that asks for one trial at a time and is told what came of it.

What it asks depends on the answers alone, so that the same answers lead through the same trials: a search that was
killed is resumed by asking again from the start, with the answers out of the store.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from optimize.search.space import NONE, Proposal, Ranking, Settings, Space, Trial, Way, mendable

Ask = Proposal | Ranking
Answer = Trial | Sequence[str]
Asking = Generator[Ask, Answer, None]


class Strategy:
    """Methods with their defaults first, the uncalibrated before the calibrated; then remedies where those drift; then
    the runtime's settings, in the fastest format first; then layers back to float, which takes the most trials, and
    the settings of what only that has mended."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._trials: list[Trial] = []

    def ask(self) -> Asking:
        ways = sorted(self._space.ways, key=lambda way: way.calibrated)
        for way in ways:
            yield from self._try(Proposal(way.format, way.method))
        for way in ways:
            yield from self._remedies(way)
        tuned = self._fastest_first()
        for format in tuned:
            yield from self._tune(format, self._space.tuning[format])
        for way in ways:
            if not way.whole and mendable(way, self._trials):
                yield from self._exclusions(way)
        for format, settings in self._space.tuning.items():
            if format not in tuned:
                yield from self._tune(format, settings)

    def _fastest_first(self) -> list[str]:
        """Formats to tune in which something is faster than fp32 already."""
        found = {format: self._fastest(format) for format in self._space.tuning}
        figures = {format: trial.figure or 0.0 for format, trial in found.items() if trial}
        return sorted(figures, key=lambda format: figures[format])

    def _try(self, proposal: Proposal) -> Generator[Ask, Answer, Trial]:
        answer = yield proposal
        if not isinstance(answer, Trial):
            raise TypeError(f"asked for a trial, and told {answer!r}")
        self._trials.append(answer)
        return answer

    def _remedies(self, way: Way) -> Asking:
        """Until one clears: they move the drift, and the latency hardly."""
        for options in way.remedies:
            if not mendable(way, self._trials):
                return
            yield from self._try(Proposal(way.format, way.method, options))

    def _of(self, way: Way) -> list[Trial]:
        return [t for t in self._trials if (t.proposal.format, t.proposal.method) == (way.format, way.method)]

    def _exclusions(self, way: Way) -> Asking:
        """The fewest of the most sensitive layers that must be left in float: doubled until the bar is cleared, then
        halved back. At least one layer stays quantized."""
        base = min((t for t in self._of(way) if t.wrong), key=lambda t: t.distance or 0.0)
        answer = yield Ranking(base.proposal)
        if isinstance(answer, Trial):
            raise TypeError(f"asked for layers, and told {answer!r}")
        layers = tuple(answer)
        fastest = self._fastest(way.format)
        base = replace(base, proposal=replace(base.proposal, settings=fastest.proposal.settings)) if fastest else base
        failed, count = 0, 1
        cleared = 0
        while not cleared and failed < len(layers) - 1:
            count = min(count, len(layers) - 1)
            trial = yield from self._try(_without(base.proposal, layers[:count]))
            failed, cleared = (failed, count) if trial.cleared else (count, 0)
            count *= 2
        while cleared - failed > 1:
            count = (failed + cleared) // 2
            trial = yield from self._try(_without(base.proposal, layers[:count]))
            failed, cleared = (failed, count) if trial.cleared else (count, cleared)

    def _tune(self, format: str, tuning: Sequence[Settings]) -> Asking:
        """One setting after the other on the fastest so far; kept where it is faster for sure."""
        fastest = self._fastest(format)
        base = fastest.proposal if fastest else Proposal(format, NONE)
        best = fastest.ratio.value if fastest and fastest.ratio else 1.0
        for settings in tuning:
            trial = yield from self._try(replace(base, settings={**base.settings, **settings}))
            if trial.cleared and trial.ratio and trial.ratio.high < best:
                base, best = trial.proposal, trial.ratio.value

    def _fastest(self, format: str) -> Trial | None:
        """None where nothing that clears the bar is faster than fp32."""
        own = [t for t in self._trials if t.proposal.format == format and t.cleared and t.ratio and t.ratio.value < 1]
        return min(own, key=lambda t: t.ratio.value if t.ratio else 1.0, default=None)


def _without(base: Proposal, layers: Sequence[str]) -> Proposal:
    options: Mapping[str, Any] = {**base.options, "exclude": [*base.options.get("exclude", ()), *layers]}
    return replace(base, options=options)
