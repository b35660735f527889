"""Why int8 is no faster than fp32 here, from what was counted and timed. Nothing is said that no figure stands for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

PRODUCTS = (
    "Conv",
    "FusedConv",
    "NhwcFusedConv",
    "MatMul",
    "Gemm",
    "FusedMatMul",
    "FusedGemm",
    "Attention",
    "LSTM",
    "GRU",
)
"""What int8 speeds up."""
PAIRS = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear")
SMALL_NODE_US = 10.0
"""An operator of fp32 that takes less is not much longer than what quantizing its input takes."""
MEMORY_SHARE = 0.5
DOT_PRODUCTS = {"x86_64": ("vnni", "amx"), "aarch64": ("dotprod", "i8mm")}


def instructions(isa: Collection[str], architecture: str, whose: str) -> list[str]:
    """Whether there is an instruction that multiplies and adds int8."""
    wanted = DOT_PRODUCTS.get(architecture, ())
    if not wanted or set(wanted) & set(isa):
        return []
    has = ", ".join(sorted(isa)) or "none of those this tool knows"
    return [
        f"no VNNI: {whose} has no instruction that multiplies int8 and adds up ({' or '.join(wanted)}); it has {has}"
    ]


def why_slower(float_: Mapping[str, Any], quantized: Mapping[str, Any], copy_bytes_per_s: float) -> list[str]:
    """Both as `onnx_profile.profile` gives them."""
    return [
        *_pairs(quantized), *_kernels(quantized), *_small(float_), *_products(float_),
        *_memory(float_, quantized, copy_bytes_per_s), _where(float_, quantized),
    ]  # fmt: skip


def _share(profile: Mapping[str, Any], kinds: Collection[str]) -> float:
    taken = profile["microseconds"]
    return float(sum(taken.get(kind, 0.0) for kind in kinds) / (sum(taken.values()) or 1.0))


def _pairs(quantized: Mapping[str, Any]) -> list[str]:
    count = sum(quantized["nodes"].get(kind, 0) for kind in PAIRS)
    if not count:
        return []
    share = _share(quantized, PAIRS)
    return [
        f"{count} quantize and dequantize operators are left unfused by ONNX Runtime, and take {share:.0%} of the time"
    ]


def _kernels(quantized: Mapping[str, Any]) -> list[str]:
    if not any(_is_integer(kind) for kind in quantized["nodes"]):
        return ["no operator is computed in int8 once ONNX Runtime has optimized the graph"]
    slow = quantized["nodes"].get("ConvInteger", 0)
    return [f"{slow} ConvInteger, for which ONNX Runtime has no optimized kernel on CPUs"] if slow else []


def _is_integer(kind: str) -> bool:
    return kind not in PAIRS and (
        kind.startswith(("QLinear", "QGemm", "QAttention", "DynamicQuantize")) or "Integer" in kind
    )


def _small(float_: Mapping[str, Any]) -> list[str]:
    nodes, taken = sum(float_["nodes"].values()), sum(float_["microseconds"].values())
    if not nodes or taken / nodes >= SMALL_NODE_US:
        return []
    return [f"too small: in fp32 the {nodes} operators take {taken:.0f} µs together, {taken / nodes:.1f} µs each"]


def _products(float_: Mapping[str, Any]) -> list[str]:
    share = _share(float_, PRODUCTS)
    return [f"only {share:.0%} of fp32's time are products, which are all that int8 speeds up"] if share < 0.5 else []


def _memory(float_: Mapping[str, Any], quantized: Mapping[str, Any], copy_bytes_per_s: float) -> list[str]:
    seconds = sum(float_["microseconds"].values()) / 1e6
    rate = float_["bytes"] / seconds if seconds else 0.0
    if rate < MEMORY_SHARE * copy_bytes_per_s:
        return []
    return [
        f"memory-bound: fp32 goes through its {float_['bytes'] / 1e6:.1f} MB at {rate / 1e9:.1f} GB/s where this "
        f"machine copies at {copy_bytes_per_s / 1e9:.1f} GB/s; int8 has {quantized['bytes'] / 1e6:.1f} MB"
    ]


def _where(float_: Mapping[str, Any], quantized: Mapping[str, Any]) -> str:
    return f"fp32 spends its time in {_most(float_)}, int8 in {_most(quantized)}"


def _most(profile: Mapping[str, Any]) -> str:
    taken = sorted(profile["microseconds"].items(), key=lambda item: -item[1])[:3]
    total = sum(profile["microseconds"].values()) or 1.0
    words = (f"{profile['nodes'][kind]} {kind} {spent / total:.0%}" for kind, spent in taken)
    return f"{', '.join(words)} of {total / 1e3:.2f} ms"
