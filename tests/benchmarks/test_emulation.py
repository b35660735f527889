"""What of a target is had here, and that what is not is said."""

from __future__ import annotations

import pytest

from optimize.benchmarks.emulation import emulate, isa_caps
from optimize.benchmarks.targets import Isa, find_target

HERE = Isa("x86_64", ("avx2", "avx512", "vnni", "bf16"))


@pytest.mark.parametrize(
    ("name", "onednn", "fbgemm"),
    [
        ("ml.c4.large", "AVX2", "AVX2"),
        ("ml.m5.large", "AVX512_CORE", "AVX512"),
        ("ml.c6i.large", "AVX512_CORE_VNNI", None),
        ("ml.c7i.large", None, None),
        ("ml.c7g.large", None, None),
    ],
)
def test_libraries_are_kept_to_what_the_target_has_and_no_further(
    name: str, onednn: str | None, fbgemm: str | None
) -> None:
    caps = isa_caps(find_target(name).isa, HERE)
    assert (caps.get("ONEDNN_MAX_CPU_ISA"), caps.get("FBGEMM_ENABLE_INSTRUCTIONS")) == (onednn, fbgemm)


def test_a_machine_that_has_no_more_than_the_target_is_not_capped() -> None:
    assert isa_caps(find_target("ml.c7i.large").isa, Isa("x86_64", ("avx2",))) == {}


def test_what_was_applied_and_what_was_not_is_said() -> None:
    emulation = emulate(find_target("ml.m5.large"), "emulated", 1, HERE)
    assert any("FBGEMM_ENABLE_INSTRUCTIONS=AVX512" in one for one in emulation.applied)
    said = " ".join(emulation.not_applied)
    assert "vnni" in said and "ONNX Runtime" in said and "hyper-threads" in said and "memory bandwidth" in said
    assert "amx" in " ".join(emulate(find_target("ml.c7i.large"), "emulated", 1, HERE).not_applied)


def test_on_the_target_itself_nothing_is_emulated() -> None:
    assert emulate(find_target("ml.m5.large"), "exact", 1, HERE).environment == {}


def test_a_smaller_memory_is_a_cap() -> None:
    assert emulate(find_target("serverless:1024"), "emulated", 1, HERE).memory_bytes == 2**30
