"""From the study's results to who won and the page that says so. Pure: nothing is measured here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optimize.benchmarks.studies.quantization.cases import CASES
from optimize.benchmarks.studies.quantization.peers import PEERS

TITLES = {peer.name: peer.title for peer in PEERS}
MODELS = {case.name: case.title for case in CASES}
AT_MOST, NEVER_ABOVE = 1.00, 1.05
HEAD = """\
# The quantization study

Our winner against the best artifact that the peers make of the same model by their own documented ways, in
interleaved rounds of fresh processes, one thread, batch 1, text at 128 tokens. Made by

```sh
python -m optimize.benchmarks.studies.quantization --setup
```

*Ours / theirs* is the ratio of latencies with its 95 % interval: under 1, ours is faster. *Cosine* is to the source's
fp32 outputs on rows that calibrated nothing; what is under the model's bound does not count, on either side. MiniLM
and the digits CNN have their own weights, the other models random ones from a fixed seed.

Ours is the winner of `optimize run` on a pipeline file for one thread, with the formats ONNX, OpenVINO, LiteRT and, for
the smaller models, TorchScript. Where it drifts more than the fastest peer's artifact, a second run searches
(`quantization: auto`) for the fastest that drifts no more than that, on the rows that judge everybody. The peers start
from the same PyTorch model or from its ONNX export (`optimum-cli export onnx`, or `torch.onnx.export` where there is no
Hugging Face folder), and calibrate on the same rows:

- Optimum: `optimum-cli onnxruntime quantize --avx512_vnni`, and `ORTQuantizer` with the static preset of that name
- NNCF: `nncf.quantize` of the OpenVINO model and of the ONNX file, `model_type=TRANSFORMER` for transformers
- Olive: `olive run` with transformer optimization (for transformers) and its dynamic or static quantization pass
- Intel Neural Compressor: version 3 has no ONNX path any more; its static int8 of the PyTorch module is compiled by
  AOTInductor, since the `torch.compile` that its documentation ends with leaves no file. On the digits CNN that
  compilation is wrong: of an int8 convolution of one channel with a free batch it mixes up the layouts. Why its cosine
  on BERT and MiniLM is low was not looked into

Everything runs in the runtimes of this tool. OpenVINO computes in f32 what is not int8, ours and NNCF's; its own
default on this processor is bf16. Our pipeline files set `fixed_sizes` for OpenVINO, which compiles for the one size
that comes; the peers' files are compiled as they were saved, with a free batch (and a free length of text).

"""


def right(peer: Mapping[str, Any], bound: float) -> bool:
    return "cosine" in peer and peer["cosine"] >= bound


def finalists(peers: Mapping[str, Mapping[str, Any]], bound: float, count: int) -> list[str]:
    """The fastest of those that are right, by the short timing: our latency over theirs is largest."""
    timed = [
        name for name, one in peers.items() if right(one, bound) and one.get("screened", {}).get("ratio") is not None
    ]
    return sorted(timed, key=lambda name: -float(peers[name]["screened"]["ratio"]))[:count]


def best_peer(result: Mapping[str, Any]) -> str | None:
    """Of those in the last timing: the one our winner is slowest against. None where no peer's artifact is right."""
    timed = {
        name: figures
        for name, figures in result["timed"]["artifacts"].items()
        if name in result["peers"] and right(result["peers"][name], result["bound"]) and "ratio" in figures
    }
    return max(timed, key=lambda name: float(timed[name]["ratio"]), default=None)


def upper(result: Mapping[str, Any]) -> float | None:
    """The interval's upper bound of ours over the best peer's."""
    best = best_peer(result)
    return float(result["timed"]["artifacts"][best]["ci"][1]) if best else None


def no_more_drift(result: Mapping[str, Any]) -> bool:
    """Against the best peer, at the four digits that the page shows."""
    best = best_peer(result)
    return best is None or _shown(result["ours"]) >= _shown(result["peers"][best])


def bar(record: Mapping[str, Any]) -> float | None:
    """The cosine of the fastest peer by the short timing, where ours is short of it: what a search must clear."""
    if not record["finalists"]:
        return None
    theirs = _shown(record["peers"][record["finalists"][0]])
    return theirs if _shown(record["ours"]) < theirs else None


def verdict(results: Sequence[Mapping[str, Any]]) -> str:
    bounds = {result["name"]: upper(result) for result in results}
    ahead = [name for name, bound in bounds.items() if bound is None or bound <= AT_MOST]
    behind = [MODELS[name] for name, bound in bounds.items() if bound is not None and bound > NEVER_ABOVE]
    more = [MODELS[result["name"]] for result in results if not no_more_drift(result)]
    drifts = f" Ours drifts more than the best peer on {', '.join(more)}." if more else ""
    words = f"The upper bound is at most {AT_MOST:.2f} on {len(ahead)} of {len(results)} models"
    noise = [(MODELS[result["name"]], result["timed"]["noise"]) for result in results]
    noisy = [f"{title} ({said})" for title, said in noise if said != "quiet"]
    busy = f" The machine was not quiet while these were timed: {', '.join(noisy)}." if noisy else ""
    return (
        words
        + (f", and above {NEVER_ABOVE:.2f} on {', '.join(behind)}." if behind else ", and nowhere above 1.05.")
        + (drifts or " Ours drifts nowhere more than the best peer.")
        + busy
    )


def page(study: Mapping[str, Any]) -> str:
    results = list(study["models"].values())
    missing = [title for name, title in MODELS.items() if name not in study["models"]]
    parts = [HEAD, verdict(results), "", *_summary(results), ""]
    parts += [f"Not measured: {', '.join(missing)}.", ""] if missing else []
    parts += ["## Every artifact", ""]
    for result in results:
        parts += [*_details(result), ""]
    parts += ["## Made with", "", *_setting(study)]
    return "\n".join(parts) + "\n"


def _summary(results: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [
        "| model | our winner | cosine | best peer | cosine | no more drift | ours / theirs |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in results:
        best = best_peer(result)
        ours = result["ours"]
        cells = [MODELS[result["name"]], ours["winner"], _cosine(ours), "none is right", "", "", ""]
        if best:
            drift = "yes" if no_more_drift(result) else "no"
            ratio = _ratio(result["timed"]["artifacts"][best])
            cells[3:] = [TITLES[best], _cosine(result["peers"][best]), drift, ratio]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _details(result: Mapping[str, Any]) -> list[str]:
    """Final figures where there are any, and those of the short timing else."""
    timed = result["timed"]["artifacts"]
    lines = [
        f"### {MODELS[result['name']]}",
        "",
        f"Cosine at least {result['bound']:g}. Ours: {result['ours']['winner']}, {result['ours']['method']}, "
        f"{_asked(result['ours'])}{_told(result['ours'])}{timed['ours'].get('p50_ms', float('nan')):.3g} ms. Rounds of "
        f"{result['timed']['budget_s']:g} s in all; the machine was {result['timed']['noise']}.",
        "",
        "| artifact | cosine | ours / theirs | |",
        "|---|---|---|---|",
    ]
    for name, peer in result["peers"].items():
        figures = timed.get(name) or peer.get("screened") or {}
        note = peer.get("failure") or figures.get("failure", "")
        if not note and not right(peer, result["bound"]):
            note = "drifted"
        elif not note and name not in timed:
            note = "short timing only"
        ratio = _ratio(figures) if "ratio" in figures else ""
        lines.append(f"| {TITLES[name]} | {_cosine(peer)} | {ratio} | {_plain(note)} |")
    return lines


def _setting(study: Mapping[str, Any]) -> list[str]:
    machine = study["machine"]
    sets = ", ".join(machine["instruction_sets"])
    days = sorted({result["on"] for result in study["models"].values()})
    versions = ", ".join(f"{name} {version}" for name, version in sorted(study["versions"].items()))
    return [
        f"- Machine: {machine['cpu']}, {machine['usable_cores']} cores ({sets}), Linux {machine['kernel']}, "
        f"Python {machine['python']}",
        f"- Versions: {versions}",
        f"- Measured on {' and '.join(days)}",
    ]


def _told(ours: Mapping[str, Any]) -> str:
    return "".join(f"{key}: {value}, ".lower() for key, value in ours.get("settings", {}).items())


def _asked(ours: Mapping[str, Any]) -> str:
    return f"found by {ours['asked']}, " if ours.get("asked") else ""


def _ratio(figures: Mapping[str, Any]) -> str:
    low, high = figures["ci"]
    return f"{figures['ratio']:.3f} [{low:.3f}, {high:.3f}]"


def _shown(one: Mapping[str, Any]) -> float:
    return round(float(one.get("cosine", 0.0)), 4)


def _cosine(one: Mapping[str, Any]) -> str:
    return f"{one['cosine']:.4f}" if "cosine" in one else ""


def _plain(text: str) -> str:
    return " ".join(text.split())[:200].replace("<", "&lt;").replace("|", "\\|")
