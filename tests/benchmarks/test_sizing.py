"""Which types hold a model, and at what cost: arithmetic on figures that are given."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimize.benchmarks.sizing import Need, check_prices, fit, fitting_types, parse_prices, per_million, workers_bytes
from optimize.benchmarks.targets import Isa, find_target
from optimize.errors import UserError

GIB = 2**30
HERE = Isa("x86_64", ("avx2", "avx512", "vnni", "bf16"))


def need(peak: float = 0.5, shared: float = 0.1, vnni: bool = False, rate: float | None = 100.0, portable: bool = True) -> Need:  # fmt: skip
    return Need(int(peak * GIB), int(shared * GIB), vnni, rate, "x86_64", portable)


def test_one_worker_is_counted_for_every_vcpu_and_pages_of_files_once() -> None:
    assert workers_bytes(need(), 4) == pytest.approx(4 * 0.4 * GIB + 0.1 * GIB, abs=4)


@given(peak=st.floats(0.01, 60))
def test_a_type_that_holds_it_has_the_memory_of_all_its_workers(peak: float) -> None:
    for one in fitting_types(need(peak, 0), {}, HERE):
        target = find_target(one.name)
        assert one.memory_bytes <= target.memory_bytes and one.memory_bytes >= target.vcpus * int(peak * GIB)


def test_int8_that_was_not_seen_without_vnni_is_not_put_where_there_is_none() -> None:
    names = {one.name for one in fitting_types(need(vnni=True, portable=False), {}, HERE)}
    assert "ml.c6i.large" in names and not names & {"ml.m5.large", "ml.c5.large", "ml.c7g.large"}


def test_the_cheapest_stands_first_and_what_has_no_price_after_it() -> None:
    found = fitting_types(need(), {"ml.m5.large": 0.1, "ml.c7i.xlarge": 0.15}, HERE)
    assert [one.name for one in found[:2]] == ["ml.c7i.xlarge", "ml.m5.large"], "twice the cores for less than twice"
    assert found[2].usd_per_million is None


def test_without_prices_the_smallest_stands_first_that_is_most_like_this_machine() -> None:
    assert fitting_types(need(), {}, HERE)[0].name == "ml.c7i.large"
    assert fitting_types(need(peak=3), {}, HERE)[0].vcpus == 2, "a family with more memory to a vCPU, and no more vCPUs"


def test_a_million_inferences_cost_what_their_time_does() -> None:
    assert per_million(3.6, 1000) == pytest.approx(1.0)
    found = fit(need(rate=200.0), find_target("ml.c7i.xlarge"), {"ml.c7i.xlarge": 0.72})
    assert found is not None and found.per_s == 400 and found.usd_per_million == pytest.approx(0.5)


def test_without_a_rate_there_is_no_cost() -> None:
    found = fit(need(rate=None), find_target("ml.c7i.large"), {"ml.c7i.large": 0.1})
    assert found is not None and found.usd_per_million is None


def test_a_price_for_a_type_that_is_none_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"'ml\.c7i\.lrage'.*did you mean ml\.c7i\.large"):
        check_prices({"ml.c7i.lrage": 0.1})
    check_prices({"mine": 0.1}, own="mine")


def test_a_price_that_is_no_number_is_refused_with_the_way_to_write_one() -> None:
    assert parse_prices(("ml.c7i.large=0.2",)) == {"ml.c7i.large": 0.2}
    with pytest.raises(UserError, match=r"--price ml\.c7i\.large=0\.2"):
        parse_prices(("ml.c7i.large",))
