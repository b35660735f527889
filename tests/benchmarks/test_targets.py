from __future__ import annotations

import pytest

from optimize.benchmarks.fidelity import fidelity
from optimize.benchmarks.targets import catalogue, find_target, instance_types, local_isa
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
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert fidelity(find_target("ml.c7i.large"), "") == "foreign"
    assert fidelity(find_target("ml.c7g.large"), "") == "emulated"


def test_the_catalogue_holds_what_sagemaker_hosts_and_says_what_it_leaves_out() -> None:
    """Against the service model, not against what somebody once typed."""
    session = pytest.importorskip("botocore.session", reason="the extra aws is not installed").get_session()
    hosted = set(session.get_service_model("sagemaker").shape_for("ProductionVariantInstanceType").enum)
    known = set(instance_types())
    assert known - hosted == set()
    assert {name.split(".")[1] for name in hosted - known} - set(catalogue()["elsewhere"]) == set()
    bounds = session.get_service_model("sagemaker").shape_for("ServerlessMemorySizeInMB").metadata
    assert (bounds["min"], bounds["max"]) == (
        catalogue()["serverless"]["least_mb"],
        catalogue()["serverless"]["most_mb"],
    )


def test_every_row_names_its_sources() -> None:
    for family, row in catalogue()["families"].items():
        assert row["source"] and set(row["source"]) <= set(catalogue()["sources"]), family
        assert row["processor"], family


def test_a_family_is_its_smallest_size() -> None:
    family, smallest = find_target("ml.c7i"), find_target("ml.c7i.large")
    assert (family.kind, family.vcpus, family.memory_bytes) == ("family", smallest.vcpus, smallest.memory_bytes)
    assert fidelity(family, "c7i.4xlarge") == "family"


def test_a_serverless_size_is_its_memory_with_one_worker() -> None:
    target = find_target("serverless:2048")
    assert (target.memory_bytes, target.workers, target.threads) == (2 * 2**30, 1, 1)


@pytest.mark.parametrize("name", ["serverless", "serverless:1000", "serverless:7168", "serverless:two"])
def test_a_serverless_size_that_is_none_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(UserError, match=r"write one of serverless:1024, .*serverless:6144"):
        find_target(name)


def test_a_type_that_serves_on_a_gpu_is_refused_with_that_reason() -> None:
    with pytest.raises(UserError, match=r"ml\.g5\.xlarge serves on GPU"):
        find_target("ml.g5.xlarge")


@pytest.mark.parametrize(
    ("name", "saturates"),
    [("ml.m5.large", True), ("ml.c4.large", True), ("ml.c6i.large", False), ("ml.c7g.large", False)],
)
def test_int8_saturates_on_x86_without_vnni_alone(name: str, saturates: bool) -> None:
    assert find_target(name).isa.saturates is saturates


def test_what_a_machine_lacks_of_a_target_is_named() -> None:
    assert find_target("ml.m5.large").isa.lacks(find_target("ml.c7i.large").isa) == ("vnni", "bf16", "amx")
    assert find_target("local").isa == local_isa()
