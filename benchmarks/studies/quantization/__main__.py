"""Our winner against the peers' best, model by model: `python -m optimize.benchmarks.studies.quantization --setup`.

Makes the models, runs `optimize run` on a pipeline file for each, lets the peers make their artifacts by their own
documented commands, judges everything on the same held-out rows, and times it in one harness. What is made is kept
below --work by content; a second run only times. `--setup` installs the peers' environment there. `--prepare` stops
before the last timing, which wants a machine where nothing else runs. The results go into docs/quantization-study.json
and the page beside it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from optimize.benchmarks.fingerprint import machine_fingerprint
from optimize.benchmarks.studies.quantization import judging, ours, peers, table, timing
from optimize.benchmarks.studies.quantization.cases import CASES, Case, find
from optimize.benchmarks.studies.quantization.keeping import kept
from optimize.execution.request import ArtifactReference

DOCS = Path(__file__).resolve().parents[3] / "docs"
SCREEN_S, FINAL_S = 6.0, 30.0
FINALISTS = 3


def main() -> None:
    parser = argparse.ArgumentParser(prog="quantization", description=__doc__)
    parser.add_argument("models", nargs="*", help=f"of {', '.join(case.name for case in CASES)}; all by default")
    parser.add_argument("--work", type=Path, default=Path.home() / ".cache" / "optimize" / "study")
    parser.add_argument("--setup", action="store_true", help="install the peers' environment first")
    parser.add_argument("--prepare", action="store_true", help="make and screen everything; leave the page alone")
    parser.add_argument("--again", action="store_true", help="run `optimize run` anew, for when its code has changed")
    asked = parser.parse_args()
    work = asked.work.resolve()
    if asked.setup:
        peers.set_up(work)
    prepared = [prepare(case, work, asked.again) for case in find(tuple(asked.models))]
    if not asked.prepare:
        publish([time(one, work) for one in prepared], work)


def prepare(case: Case, work: Path, again: bool) -> dict[str, Any]:
    """Everything that is known of a model before the last timing; kept below `work` too."""
    model = make_model(case, work)
    mine = ours.optimize(case, model, work, again)
    print(f"{case.name}: {mine.winner} won of {mine.candidates}", flush=True)
    artifacts: dict[str, ArtifactReference] = {timing.OURS: mine.artifact}
    found: dict[str, Any] = {}
    export = peers.build(peers.EXPORT, case, model, None, work)
    for peer in peers.PEERS:
        found[peer.name], artifact = examine(peer, case, model, export, mine, work)
        if artifact:
            artifacts[peer.name] = artifact
        print(f"  {peer.title}: {found[peer.name]}", flush=True)
    record = {
        "name": case.name, "bound": case.cosine, "artifacts": artifacts, "golden": Path(mine.golden), "peers": found,
        "ours": described(mine, case, model, work),
    }  # fmt: skip
    screen(record, work)
    bar = table.bar(record)
    better = ours.search(case, bar, model, work, again) if bar else None
    if better:
        print(f"  {better.winner} won of {better.candidates} at {bar}", flush=True)
        artifacts[timing.OURS] = better.artifact
        record["ours"] = described(better, case, model, work)
        screen(record, work)
    return record


def described(mine: ours.Ours, case: Case, model: Path, work: Path) -> dict[str, Any]:
    told = {key: getattr(mine, key) for key in ("winner", "method", "settings", "candidates", "asked")}
    return {**told, **judging.judge(mine.artifact, model, work / "ours" / case.name, mine.settings)}


def make_model(case: Case, work: Path) -> Path:
    folder = work / "models" / case.name
    if not (folder / "expected.npz").exists():
        module = "optimize.benchmarks.studies.quantization.sources"
        subprocess.run([sys.executable, "-m", module, case.name, str(folder)], check=True)
    return folder


def examine(
    peer: peers.Peer, case: Case, model: Path, export: peers.Built, mine: ours.Ours, work: Path
) -> tuple[dict[str, Any], ArtifactReference | None]:
    """How the peer's artifact came out, and the artifact where it runs."""
    if export.reason and peer.format == "onnx":
        return {"failure": f"no ONNX to start from: {export.reason}"}, None
    built = peers.build(peer, case, model, export.files / "model.onnx", work)
    if built.reason:
        return {"failure": built.reason}, None
    artifact = replace(mine.artifact, path=str(built.files), format=peer.format, quantization="int8")
    judged = judging.judge(artifact, model, built.files.parent)
    return dict(judged), None if "failure" in judged else artifact


def screen(record: dict[str, Any], work: Path) -> None:
    """A short timing of all; the fastest of those that are right meet ours in the last one."""
    artifacts, folder = record["artifacts"], work / "timing" / f"{record['name']}-screen"
    timed = kept(
        folder / "screened.json",
        [{name: one.path for name, one in artifacts.items()}, record["ours"]["settings"]],
        lambda: timing.compare(artifacts, record["golden"], record["ours"]["settings"], SCREEN_S, folder),
    )
    for name, figures in timed["artifacts"].items():
        if name != timing.OURS:
            record["peers"][name]["screened"] = figures
    print(f"  screened: {timed}", flush=True)
    record["finalists"] = table.finalists(record["peers"], record["bound"], FINALISTS)


def time(record: Mapping[str, Any], work: Path) -> dict[str, Any]:
    names = (timing.OURS, *record["finalists"])
    artifacts = {name: record["artifacts"][name] for name in names}
    folder = work / "timing" / record["name"]
    timed = timing.compare(artifacts, record["golden"], record["ours"]["settings"], FINAL_S, folder)
    print(f"{record['name']}: {timed}", flush=True)
    kept = {key: record[key] for key in ("name", "bound", "ours", "peers")}
    return {**kept, "timed": timed, "on": str(date.today())}


def publish(results: list[dict[str, Any]], work: Path) -> None:
    """Models that were not asked for keep the rows they have."""
    file = DOCS / "quantization-study.json"
    study = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"models": {}}
    study["models"] |= {one["name"]: one for one in results}
    study["models"] = {case.name: study["models"][case.name] for case in CASES if case.name in study["models"]}
    study |= {"machine": machine_fingerprint(), "versions": all_versions(work)}
    file.write_text(json.dumps(study, indent=1) + "\n", encoding="utf-8")
    (DOCS / "quantization-study.md").write_text(table.page(study), encoding="utf-8")


def all_versions(work: Path) -> dict[str, str]:
    return {name: version for peer in peers.PEERS for name, version in peers.versions(peer, work).items()}


if __name__ == "__main__":
    main()
