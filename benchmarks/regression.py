"""A new artifact against an old one that was measured again in the same rounds: regressed, ok, or inconclusive."""

from __future__ import annotations

import math

from optimize.benchmarks.statistics import Ratio

REGRESSED, OK, INCONCLUSIVE = "regressed", "ok", "inconclusive"


def judge_regression(ratio: Ratio, margin: float, control: Ratio | None = None) -> str:
    """`ratio` is new to old, `margin` the share that new may take more (0.02 is 2 %); it is never 0, since two sessions
    of one artifact differ by about 0.3 % for ever.

    The whole interval must lie on one side of the margin. Where one candidate differed from itself in these rounds by
    more than half the margin (`control`), neither is said.
    """
    if control is not None and abs(math.log(control.value)) > margin / 2:
        return INCONCLUSIVE
    if ratio.low > 1 + margin:
        return REGRESSED
    return OK if ratio.high < 1 + margin else INCONCLUSIVE
