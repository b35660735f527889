"""What of a target can be had on this machine, and what cannot: caps for worker processes, and both lists in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from optimize.benchmarks.targets import X86, Isa, Target, local_isa, physical_cores

CAPS: Mapping[str, Mapping[str, str]] = {
    "avx2": {
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "FBGEMM_ENABLE_INSTRUCTIONS": "AVX2",
        "OV_CPU_MAX_ISA": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
    },
    "avx512": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE", "FBGEMM_ENABLE_INSTRUCTIONS": "AVX512"},
    "vnni": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI"},
    "bf16": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"},
}
"""The most that a target has to the switches that keep libraries to it; each was seen to take effect."""
ORDER = ("avx2", "avx512", "vnni", "bf16", "amx")
CAPPED = ("torchscript", "exported_program", "aotinductor", "saved_model", "openvino")
"""Formats whose int8 kernels heed those switches. ONNX Runtime and LiteRT have none."""


@dataclass(frozen=True)
class Emulation:
    """`environment` is for every worker that checks or measures, and must be there before it imports a library."""

    environment: Mapping[str, str]
    memory_bytes: int | None
    """What a worker may hold, where the target has less than this machine."""
    applied: tuple[str, ...]
    not_applied: tuple[str, ...]


def emulate(target: Target, near: str, threads: int, here: Isa | None = None) -> Emulation:
    """`near` is the fidelity; on the target itself there is nothing to emulate."""
    here = here or local_isa()
    if near == "exact":
        return Emulation({}, None, (), ())
    applied, missing = [f"{threads} thread(s), pinned"], list[str]()
    if target.kind == "auto":
        return Emulation({}, None, tuple(applied), ("the type is chosen after the run",))
    environment = isa_caps(target.isa, here) if near == "emulated" else {}
    if environment:
        applied.append("instruction sets up to " + ", ".join(f"{k}={v}" for k, v in environment.items()))
    missing += _isa_missing(target.isa, here, near)
    memory = target.memory_bytes if target.memory_bytes < psutil.virtual_memory().total else None
    if memory:
        applied.append(f"memory of {memory / 2**30:.3g} GiB")
    missing += _hardware_missing(target, near)
    return Emulation(environment, memory, tuple(applied), tuple(missing))


def isa_caps(target: Isa, here: Isa) -> dict[str, str]:
    """Switches that keep this machine to what the target has; none where it has no more."""
    if target.architecture != X86 or here.architecture != X86 or not target.lacks(here):
        return {}
    most = [name for name in ORDER if name in target]
    return dict(CAPS.get(most[-1] if most else "avx2", {}))


def _isa_missing(target: Isa, here: Isa, near: str) -> list[str]:
    if near == "foreign":
        return [f"its architecture: {target.architecture}, and this is {here.architecture}"]
    missing = []
    if target.lacks(here):
        words = ", ".join(target.lacks(here))
        missing.append(f"being without {words} in ONNX Runtime, LiteRT and MKL, which have no switch for it")
    if here.lacks(target):
        missing.append(f"{', '.join(here.lacks(target))}, which this machine has not")
    return missing


def _hardware_missing(target: Target, near: str) -> list[str]:
    missing = []
    if target.threads > physical_cores():
        missing.append(f"its {target.threads} cores, of which this machine has {physical_cores()}")
    if target.vcpus > target.threads:
        missing.append("two hyper-threads to a core")
    if target.kind == "serverless":
        missing.append("its share of a processor, which is not published")
    if near != "family":
        missing.append("its clock, caches and memory bandwidth")
    return missing
