"""`optimize compare`: what differs, what it did, and what it refuses."""

from __future__ import annotations

import copy
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from optimize.cli import run_command

Raw = dict[str, Any]


def write(path: Path, value: Raw) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return str(path)


def candidate(raw: Raw, name: str) -> Raw:
    found: Raw = next(c for c in raw["candidates"] if c["name"] == name)
    return found


@pytest.fixture
def faster(raw: Raw) -> Raw:
    """The same run again, with one candidate twice as fast under another version."""
    changed = copy.deepcopy(raw)
    latency = candidate(changed, "onnx-static")["latency"]
    latency["p50_ms"] /= 2
    latency["p50_ms_ci"] = [v / 2 for v in latency["p50_ms_ci"]]
    changed["pipeline"]["benchmark"]["budget_s"] = 40.0
    for step in changed["steps"]:
        step["versions"] = {k: "9.9" if k == "onnxruntime" else v for k, v in step["versions"].items()}
    return changed


def test_it_says_what_changed_and_what_that_did(raw: Raw, faster: Raw, tmp_path: Path, capsys: Any) -> None:
    a, b = write(tmp_path / "a" / "report.json", raw), write(tmp_path / "b" / "build" / "report.json", faster)
    assert run_command(["compare", str(Path(a).parent), str(Path(b).parents[1])]) == 0
    said = capsys.readouterr().out
    assert "benchmark.budget_s" in said and "onnxruntime" in said and "9.9" in said
    (line,) = [line for line in said.splitlines() if line.startswith("onnx-static")]
    assert "p50 ms" in line and "-50.0% [" in line


def test_a_run_compared_with_itself_differs_in_nothing(raw: Raw, tmp_path: Path, capsys: Any) -> None:
    a = write(tmp_path / "report.json", raw)
    assert run_command(["compare", a, a, a]) == 0
    said = capsys.readouterr().out
    assert "nothing differs between the runs" in said and "no figure differs" in said


def test_what_lies_within_the_intervals_is_not_told_as_a_change(raw: Raw, tmp_path: Path, capsys: Any) -> None:
    noisy = copy.deepcopy(raw)
    candidate(noisy, "onnx-static")["latency"]["p50_ms"] *= 1.01
    a, b = write(tmp_path / "a.json", raw), write(tmp_path / "b.json", noisy)
    assert run_command(["compare", a, b]) == 0
    said = capsys.readouterr().out
    assert "no figure differs by more than its interval" in said and "1 more differ within" in said
    assert run_command(["compare", a, b, "--all"]) == 0
    assert "+1.0% [" in capsys.readouterr().out


def test_times_of_two_machines_are_compared_only_when_forced(
    raw: Raw, faster: Raw, tmp_path: Path, capsys: Any
) -> None:
    faster["machine"]["cpu"] = "another"
    candidate(faster, "onnx-static")["size_bytes"] = 5
    a, b = write(tmp_path / "a.json", raw), write(tmp_path / "b.json", faster)
    assert run_command(["compare", a, b]) == 0
    said = capsys.readouterr().out
    assert "times and memory are not compared" in said and "--force" in said
    assert "p50 ms" not in said and "size MB" in said
    assert run_command(["compare", a, b, "--force"]) == 0
    said = capsys.readouterr().out
    assert "ACROSS MACHINES" in said and "p50 ms" in said


def test_runs_of_different_models_are_refused(raw: Raw, faster: Raw, tmp_path: Path, capsys: Any) -> None:
    faster["source"]["signature"]["inputs"][0]["shape"] = ["batch", 3]
    faster["name"] = "faces"
    a, b = write(tmp_path / "a.json", raw), write(tmp_path / "b.json", faster)
    assert run_command(["compare", a, b]) == 2
    said = capsys.readouterr().err
    assert "different models (digits and faces)" in said and "--force" in said
    assert run_command(["compare", a, b, "--force"]) == 0


def test_json_is_for_programs(raw: Raw, faster: Raw, tmp_path: Path, capsys: Any) -> None:
    a, b = write(tmp_path / "a.json", raw), write(tmp_path / "b.json", faster)
    assert run_command(["compare", a, b, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [run["winner"] for run in said["runs"]] == ["onnx-none", "onnx-none"]
    assert {one["what"] for one in said["differences"]} == {"benchmark.budget_s", "onnxruntime"}


def cut(path: Path, raw: Raw) -> Path:
    path.write_text(json.dumps(raw)[:3000], encoding="utf-8")
    return path


def edited(path: Path, raw: Raw) -> Path:
    raw["candidates"][0]["latency"]["p50_ms"] = "fast"
    return Path(write(path, raw))


def of_another_version(path: Path, raw: Raw) -> Path:
    return Path(write(path, raw | {"schema_version": 99}))


def binary(path: Path, raw: Raw) -> Path:
    path.write_bytes(b"\x80\x04\x95\xff")
    return path


def another_json(path: Path, raw: Raw) -> Path:
    return Path(write(path, {"hello": 1}))


def empty_folder(path: Path, raw: Raw) -> Path:
    path.mkdir()
    return path


def absent(path: Path, raw: Raw) -> Path:
    return path


def broken_bundle(path: Path, raw: Raw) -> Path:
    bundle = path.with_name("model.tar.gz")
    bundle.write_bytes(b"\x1f\x8b cut short")
    return bundle


def foreign_bundle(path: Path, raw: Raw) -> Path:
    return bundle_of(path.with_name("model.tar.gz"), "weights.bin", {})


def unversioned_bundle(path: Path, raw: Raw) -> Path:
    return bundle_of(path.with_name("model.tar.gz"), "bundle.json", {"schema_version": 1})


BAD: tuple[tuple[Callable[[Path, Raw], Path], str], ...] = (
    (cut, "cut short or edited: run again"),
    (edited, "candidates.0.latency.p50_ms"),
    (of_another_version, "schema version 99, and this release reads 1"),
    (binary, "is not text"),
    (another_json, "is not a report of this tool"),
    (empty_folder, "no report.json"),
    (absent, "no such file"),
    (broken_bundle, "is not a whole .tar.gz"),
    (foreign_bundle, "this tool did not make it"),
    (unversioned_bundle, "was not written by a run of this release"),
)


@pytest.mark.parametrize(("make", "says"), BAD, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_no_report_is_refused_in_one_sentence(
    make: Callable[[Path, Raw], Path], says: str, raw: Raw, tmp_path: Path, capsys: Any
) -> None:
    good = write(tmp_path / "good.json", raw)
    bad = make(tmp_path / "bad", copy.deepcopy(raw))
    assert run_command(["compare", good, str(bad)]) == 2
    said = capsys.readouterr().err
    assert says in said and str(bad) in said and "Traceback" not in said


def bundle_of(path: Path, name: str, value: Raw) -> Path:
    data = json.dumps(value).encode()
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return path


def test_a_bundle_is_compared_with_the_run_it_came_from(raw: Raw, tmp_path: Path, capsys: Any) -> None:
    winner = candidate(raw, "onnx-none")
    provenance = {
        "tool": "0.1.0", "candidate": "onnx-none", "converter": winner["converter"], "method": winner["method"],
        "versions": {"numpy": "2.0"}, "source": {"kind": "pytorch", "golden_digest": raw["source"]["digest"]},
        "pipeline": raw["pipeline"], "drift": winner["drift"], "accuracy": winner["accuracy"],
        "chosen": {"objective": "latency", "reason": winner["reason"]},
        "measurements": {
            "cold_start": winner["cold_start"], "memory": winner["memory"], "size_bytes": winner["size_bytes"],
            "latency": {k: v for k, v in winner["latency"].items() if k != "ratios"}, "target": "ml.c7i.large",
            "fidelity": "emulated", "machine": raw["machine"],
        },
    }  # fmt: skip
    manifest = {
        "schema_version": 1, "name": "digits", "candidate": "onnx-none", "container": "x", "format": "onnx",
        "quantization": "none", "signature": raw["source"]["signature"], "files": {}, "versions": {},
        "provenance": provenance,
    }  # fmt: skip
    bundle = bundle_of(tmp_path / "model.tar.gz", "bundle.json", manifest)
    assert run_command(["compare", write(tmp_path / "a.json", raw), str(bundle), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [run["winner"] for run in said["runs"]] == ["onnx-none", "onnx-none"]
    assert [one["what"] for one in said["differences"]] == ["numpy"]
    assert not any(one["differs"] for one in said["effects"])


def test_one_run_alone_is_not_a_comparison(capsys: Any) -> None:
    assert run_command(["compare", "a"]) == 2
    assert "give two runs or more" in capsys.readouterr().err


def test_a_page_that_cannot_be_written_is_said(raw: Raw, tmp_path: Path, capsys: Any) -> None:
    a = write(tmp_path / "a.json", raw)
    assert run_command(["compare", a, a, "--html", str(tmp_path / "a.json" / "page.html")]) == 2
    assert "cannot be written" in capsys.readouterr().err
