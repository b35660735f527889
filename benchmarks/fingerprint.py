"""What a figure depends on besides the candidate: figures with unequal fingerprints are not compared."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import psutil


def machine_fingerprint() -> dict[str, Any]:
    """Of the hardware, the kernel and the interpreter; stable while the machine stays as it is."""
    return {
        "cpu": cpu_model(),
        "logical_cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "instruction_sets": instruction_sets(),
    }


def cpu_model() -> str:
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def instruction_sets() -> list[str]:
    flags = set((_cpuinfo("flags") or _cpuinfo("Features")).split())
    known = {
        "avx2": "avx2", "avx512f": "avx512", "avx512_vnni": "vnni", "avx_vnni": "vnni", "avx512_bf16": "bf16",
        "amx_int8": "amx", "asimd": "neon", "asimddp": "dotprod", "sve": "sve", "i8mm": "i8mm", "bf16": "bf16",
    }  # fmt: skip
    return sorted({name for flag, name in known.items() if flag in flags})


def _cpuinfo(key: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.split(":")[0].strip() == key), "")
