"""`optimize verify` finds whatever is not as the manifest says."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from optimize.bundles.archive import write_archive
from optimize.bundles.verification import verify
from optimize.cli import run_command
from optimize.digests import digest_file
from optimize.errors import UserError
from optimize.execution.request import ArtifactReference
from tests.bundles.cases import emit_request
from tests.bundles.conftest import Carry


@pytest.fixture
def unpacked(emitted: Callable[..., Path], tmp_path: Path) -> Path:
    folder = tmp_path / "unpacked"
    with tarfile.open(emitted("onnx", "single", "pytorch")) as tar:
        tar.extractall(folder, filter="data")
    return folder


def problems_of(folder: Path, tmp_path: Path) -> tuple[str, ...]:
    write_archive(folder, tmp_path / "again.tar.gz")
    return verify(tmp_path / "again.tar.gz", tmp_path / "verified").problems


def test_a_bundle_as_it_was_emitted_verifies(emitted: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    bundle = emitted("onnx", "single")
    assert run_command(["verify", str(bundle)]) == 0
    said = capsys.readouterr().out
    assert digest_file(bundle) in said
    assert "the bundle is as its manifest says" in said


def test_a_file_that_is_changed_missing_or_added_is_named(unpacked: Path, tmp_path: Path) -> None:
    (unpacked / "code" / "inference.py").write_text("print('other')", encoding="utf-8")
    (unpacked / "code" / "signature.json").unlink()
    (unpacked / "extra").write_bytes(b"x")
    problems = problems_of(unpacked, tmp_path)
    assert "code/inference.py was changed" in problems
    assert "code/signature.json is missing" in problems
    assert "extra is not in the manifest" in problems


def test_a_bill_of_materials_that_hides_a_library_is_found(unpacked: Path, tmp_path: Path) -> None:
    bill = json.loads((unpacked / "bom.cdx.json").read_text(encoding="utf-8"))
    assert [item["purl"] for item in bill["components"] if item["type"] == "library"] == [
        "pkg:pypi/" + line.replace("==", "@")
        for line in (unpacked / "code" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    ]
    bill["components"] = [item for item in bill["components"] if item["type"] != "library"]
    (unpacked / "bom.cdx.json").write_text(json.dumps(bill), encoding="utf-8")
    assert "bom.cdx.json does not list what is in the bundle" in problems_of(unpacked, tmp_path)


def test_a_source_must_be_one_the_provenance_names(
    model: Callable[[str, str], ArtifactReference], golden: Callable[[str], Path], carry_out: Carry, tmp_path: Path
) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    mine.write_bytes(b"weights")
    other.write_bytes(b"other weights")
    provenance = {"source": {"weights": [digest_file(mine)]}}
    _, files = carry_out(emit_request(model("onnx", "single"), golden("single"), provenance=provenance))
    assert verify(files / "model.tar.gz", tmp_path / "a", [mine]).problems == ()
    assert "is not among the sources" in verify(files / "model.tar.gz", tmp_path / "b", [other]).problems[0]


def test_a_tar_that_is_not_ours_is_refused(unpacked: Path, tmp_path: Path) -> None:
    (unpacked / "bundle.json").unlink()
    with pytest.raises(UserError, match=r"has no bundle\.json: this tool did not make it"):
        problems_of(unpacked, tmp_path)
