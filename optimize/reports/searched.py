"""What a search tried, as the report has it."""

from __future__ import annotations

from optimize.execution.search import Searched
from optimize.execution.trials import Carried
from optimize.methods import precision_of
from optimize.reports.figures import Ratio
from optimize.reports.search_model import LayerSensitivity, SearchReport, Trial
from optimize.search.choosing import frontier


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
