"""What a search has spent, by the seconds that its steps took when they were carried out."""

from __future__ import annotations

from dataclasses import dataclass, field

from optimize.durations import in_words
from optimize.search.space import Proposal


@dataclass
class Budget:
    """A step counts once, however many trials read it, and counts the same in the run that finds it in the store."""

    total_s: float
    used_s: float = 0.0
    _counted: set[str] = field(default_factory=set)
    _dearest: dict[tuple[str, str], float] = field(default_factory=dict)

    @property
    def left_s(self) -> float:
        return max(0.0, self.total_s - self.used_s)

    def count(self, key: str, spent_s: float) -> float:
        """What it adds."""
        if key in self._counted:
            return 0.0
        self._counted.add(key)
        self.used_s += spent_s
        return spent_s

    def end_trial(self, proposal: Proposal, spent_s: float) -> None:
        kind = (proposal.format, proposal.method)
        self._dearest[kind] = max(spent_s, self._dearest.get(kind, 0.0))

    def stops(self, proposal: Proposal) -> str:
        """Why this trial is not begun, or nothing: one like it has shown what it takes."""
        expected = self._dearest.get((proposal.format, proposal.method), 0.0)
        if self.used_s < self.total_s and self.used_s + expected <= self.total_s:
            return ""
        used = f"{in_words(self.used_s)} of the budget of {in_words(self.total_s)} are used"
        if self.used_s >= self.total_s:
            return used
        return f"{used}, and another trial of {proposal.format}-{proposal.method} would take {in_words(expected)}"
