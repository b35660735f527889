"""What the search for a quantization tried, its frontier, and how much each layer minds being quantized, in words and
figures for the terminal, the page and report.md alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optimize.reports.figures import OutputDrift
from optimize.reports.grids import Cell, Grid, number, word
from optimize.reports.model import Report
from optimize.reports.search_model import SearchReport, Trial
from optimize.reports.table import NONE, digits
from optimize.reports.words import megabytes
from optimize.search.space import options_in_words

COLUMNS = ("trial", "for", "method", "options", "state", "speed-up over fp32", "drift", "accuracy", "size", "why")
NUMERIC = (True, False, False, False, False, True, True, True, True, False)


def search_grids(report: Report) -> tuple[Grid | None, ...]:
    if report.search is None:
        return ()
    return trials_grid(report.search), _layers(report.search)


def search_lines(report: Report) -> list[str]:
    """For the terminal and report.md: what came of it, and the layers that mind most."""
    search = report.search
    if search is None:
        return []
    best = [
        f"{t.candidate} is {_method(t)} ({options(t)}){f', {_speed(t).text} over fp32' if t.ratio else ''}"
        for t in search.trials
        if t.best and t.cleared
    ]
    found = "; ".join(best) or "none cleared the bar"
    layers = [
        f"Most sensitive layers, {form}: {', '.join(f'{one.layer} ({one.snr_db:.0f} dB)' for one in ranked[:3])}"
        for form, ranked in search.sensitivity.items()
    ]
    return [f"Best of {len(search.trials)} trials: {found}", *layers]


def outcome(search: SearchReport) -> str:
    count = len(search.trials)
    return (
        f"{count} {'trial' if count == 1 else 'trials'} in {search.used_s:.0f} s of {search.budget_s:.0f} s; it ended "
        f"because {search.stopped}"
    )


def trials_grid(search: SearchReport) -> Grid:
    """The best first, then the frontier, then the others as they came."""
    trials = sorted(search.trials, key=lambda t: (not t.best, not t.frontier, t.number))
    slower = (f"{name}: {reason}" for name, reasons in search.slower.items() for reason in reasons)
    return Grid(
        "search", "What the search tried",
        f"{outcome(search)}. Speed-ups are over fp32 in the same format, paired by round, with 95 % "
        "intervals. The best and those on the frontier stand first.",
        COLUMNS, NUMERIC, tuple(map(_trial, trials)), notes=(*slower, *search.notes),
        plots=(
            ("search", "The frontier", "Each mark is a trial that was timed: its time over that of fp32 in the same "
             "format, and its drift; the line joins those that no other beats at both. The ring is the best."),
        ),
        wins=tuple(i for i, trial in enumerate(trials) if trial.best and trial.cleared),
    )  # fmt: skip


def _trial(trial: Trial) -> tuple[Cell, ...]:
    best = "best" if trial.cleared else "the nearest"
    place = best if trial.best else "on the frontier" if trial.frontier else "" if trial.cleared else "below the bar"
    return (
        Cell(str(trial.number), trial.number), word(trial.candidate), word(_method(trial)),
        word(options(trial)), word(trial.state), _speed(trial), number(worst(trial.drift), ".1e"),
        number(trial.accuracy.score if trial.accuracy else None, ".2%"),
        Cell(NONE if trial.size_bytes is None else megabytes(trial.size_bytes), trial.size_bytes),
        word("; ".join(part for part in (place, trial.reason) if part)),
    )  # fmt: skip


def _method(trial: Trial) -> str:
    """`fp16` is both."""
    return trial.method if trial.method == trial.precision else f"{trial.method}, {trial.precision}"


def options(trial: Trial) -> str:
    """`calibration percentile, in float: conv1 conv2, threads 2`."""
    return ", ".join(options_in_words({**trial.options, **trial.settings})) or "defaults"


def worst(drift: Mapping[str, OutputDrift]) -> float | None:
    return max((one.max_relative for one in drift.values()), default=None)


def _speed(trial: Trial) -> Cell:
    if trial.ratio is None:
        return Cell(NONE)
    low, high = trial.ratio.ci
    return Cell(f"{digits(1 / trial.ratio.value)}× [{digits(1 / high)}, {digits(1 / low)}]", 1 / trial.ratio.value)


def _layers(search: SearchReport) -> Grid:
    rows = tuple(
        (word(method), word(layer.layer), word(layer.kind), number(layer.snr_db, ".1f"))
        for method, layers in search.sensitivity.items()
        for layer in layers
    )
    return Grid(
        "layers", "Error of quantization by layer",
        "Signal over the noise that quantizing this layer alone adds to its own output, in decibels: the lower, the "
        "more the layer minds.",
        ("method", "layer", "operator", "dB"), (False, False, False, True), rows,
        plots=(("layers", "Most sensitive layers", "The twenty lowest of each method."),),
    )  # fmt: skip


def search_data(report: Report) -> dict[str, Any] | None:
    """What the plots are drawn from."""
    search = report.search
    if search is None:
        return None
    return {
        "trials": [
            {
                "number": t.number, "format": t.format, "method": t.method, "precision": t.precision, "best": t.best,
                "frontier": t.frontier, "cleared": t.cleared, "options": options(t), "ratio": t.ratio.value,
                "ratio_ci": t.ratio.ci, "drift": worst(t.drift),
            }
            for t in search.trials
            if t.ratio and t.drift
        ],
        "layers": [
            {
                "method": method, "format": method.rpartition("-")[0], "layer": one.layer, "kind": one.kind,
                "snr_db": one.snr_db,
            }
            for method, layers in search.sensitivity.items()
            for one in layers[:20]
        ],
    }  # fmt: skip
