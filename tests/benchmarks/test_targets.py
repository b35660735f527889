from __future__ import annotations

import pytest

from optimize.benchmarks.targets import fidelity, find_target, instance_types
from optimize.errors import UserError


def test_every_type_has_what_a_plan_needs() -> None:
    types = instance_types()
    assert len(types) > 150
    for target in types.values():
        assert target.vcpus >= 1 and 1 <= target.threads <= target.vcpus and target.memory_bytes > 2**30


def test_hyper_threads_are_two_to_a_core_and_graviton_has_none() -> None:
    assert find_target("ml.c7i.large").threads == 1
    assert find_target("ml.c7g.large").threads == 2


def test_an_unknown_type_offers_the_nearest() -> None:
    with pytest.raises(UserError, match=r"did you mean ml\.c7i\.large"):
        find_target("ml.c7i.lrage")


@pytest.mark.parametrize(
    ("name", "here", "expected"),
    [
        ("ml.c7i.large", "c7i.large", "exact"),
        ("ml.c7i.large", "c7i.4xlarge", "family"),
        ("local", "", "exact"),
    ],
)
def test_fidelity_says_how_near_this_machine_is(name: str, here: str, expected: str) -> None:
    assert fidelity(find_target(name), here) == expected


def test_another_architecture_is_foreign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert fidelity(find_target("ml.c7i.large"), "") == "foreign"
    assert fidelity(find_target("ml.c7g.large"), "") == "emulated"
