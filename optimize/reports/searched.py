"""What a search tried, as the report has it, and as a table of text cells."""

from __future__ import annotations

from optimize.execution.search import Searched
from optimize.execution.trials import Carried
from optimize.methods import precision_of
from optimize.reports.figures import Ratio
from optimize.reports.search_model import LayerSensitivity, SearchReport, Trial
from optimize.search.choosing import frontier
from optimize.search.space import Proposal, in_words


def search_report(searched: Searched) -> SearchReport:
    carried = searched.carried
    best = [one.trial for one in searched.chosen.values()]
    rows = zip(carried, frontier([one.trial for one in carried]), strict=True)
    return SearchReport(
        budget_s=searched.budget.total_s,
        used_s=round(searched.budget.used_s, 3),
        stopped=searched.stopped,
        trials=[
            _trial(number, one, on_frontier, any(one.trial is trial for trial in best))
            for number, (one, on_frontier) in enumerate(rows, 1)
        ],
        sensitivity={
            format: [LayerSensitivity.model_validate(layer) for layer in layers]
            for format, layers in searched.sensitivity.items()
        },
        slower=searched.slower,
        notes=searched.notes,
    )


def _trial(number: int, one: Carried, on_frontier: bool, best: bool) -> Trial:
    trial, proposal = one.trial, one.trial.proposal
    return Trial(
        number=number,
        candidate=one.candidate.name,
        format=proposal.format,
        method=proposal.method,
        precision=precision_of(proposal.method, proposal.format),
        options=dict(proposal.options),
        settings=dict(proposal.settings),
        state=trial.state.value,
        reason=trial.reason,
        cleared=trial.cleared,
        ratio=Ratio(value=trial.ratio.value, ci=(trial.ratio.low, trial.ratio.high)) if trial.ratio else None,
        drift=one.drift,  # type: ignore[arg-type]
        accuracy=one.accuracy,  # type: ignore[arg-type]
        size_bytes=one.size_bytes,
        seconds=round(one.seconds, 3),
        frontier=on_frontier,
        best=best,
    )


HEADER = ("#", "trial", "state", "against fp32", "cosine", "s", "")
"""Of `trial_cells`; the last marks the best and what is on the frontier."""


def trial_cells(trial: Trial) -> tuple[str, ...]:
    ratio = trial.ratio
    times = f"{ratio.value:.2f}× [{ratio.ci[0]:.2f}, {ratio.ci[1]:.2f}]" if ratio else "–"
    cosine = min((one.cosine for one in trial.drift.values()), default=None)
    mark = "best" if trial.best else "frontier" if trial.frontier else ""
    state = trial.state if trial.state != "ok" or trial.cleared else "gate not met"
    return (
        str(trial.number), describe(trial), state, times, "–" if cosine is None else f"{cosine:.5f}",
        f"{trial.seconds:.1f}", mark,
    )  # fmt: skip


def describe(trial: Trial) -> str:
    proposal = Proposal(trial.format, trial.method, trial.options, trial.settings)
    return f"{trial.format} {in_words(proposal)}"


def summary_line(search: SearchReport) -> str:
    count = len(search.trials)
    return (
        f"Search: {count} {'trial' if count == 1 else 'trials'}, {search.used_s:.0f} s of {search.budget_s:.0f} s; "
        f"ended because {search.stopped}"
    )
