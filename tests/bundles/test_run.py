"""`optimize run` with a section `bundle` that says more than where: several containers, an image, hooks, one report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from optimize.cli import run_command
from tests.conftest import Project

HOOKS = """
def post(outputs, accept):
    return {"label": int(outputs["logits"].argmax())}
"""


@pytest.mark.slow
def test_every_container_that_is_named_gets_a_tar_of_its_own_that_verifies(
    onnx_project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    path = onnx_project(
        candidates={"formats": ["onnx"], "quantization": ["none"]},
        bundle={
            "container": ["multi-model-server", "pytorch"],
            "code": "hooks.py",
            "compression": 9,
            "gzip_threads": 1,
        },
        target="ml.c7i.2xlarge",
    )
    (path.parent / "hooks.py").write_text(HOOKS, encoding="utf-8")
    assert run_command(["run", str(path), "--quiet"]) == 0, capsys.readouterr().err
    built = path.parent / "build"
    report = json.loads((built / "report.json").read_text(encoding="utf-8"))
    names = ["model-multi-model-server.tar.gz", "model-pytorch.tar.gz"]
    assert [Path(bundle["path"]).name for bundle in report["bundles"]] == names
    assert report["bundle"] == report["bundles"][0]
    assert all(bundle["booted"].endswith("hooks called once") for bundle in report["bundles"])
    assert all(bundle["served"]["cold_start_s"] > 0 for bundle in report["bundles"])
    assert any("an image of your own with onnxruntime" in warning for warning in report["warnings"])
    for name in names:
        assert run_command(["verify", str(built / name), "--source", str(path.parent / "model.onnx")]) == 0
    assert run_command(["run", str(path), "--quiet", "-o", "bundle.gzip_threads=2"]) == 0
    again = json.loads((built / "report.json").read_text(encoding="utf-8"))
    assert [bundle["digest"] for bundle in again["bundles"]] == [bundle["digest"] for bundle in report["bundles"]]


def test_where_no_candidate_can_be_served_as_the_file_asks_that_is_the_result(
    onnx_project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    path = onnx_project(bundle={"container": "tensorflow"})
    assert run_command(["run", str(path), "--quiet"]) == 1
    report = json.loads((path.parent / "build" / "report.json").read_text(encoding="utf-8"))
    assert {candidate["state"] for candidate in report["candidates"]} == {"unsupported"}
    assert "the tensorflow container cannot serve onnx" in report["candidates"][0]["reason"]
