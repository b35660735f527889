"""The site, the pages that are generated, and the action, each by what it is for."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.mark.parametrize("name", ["pipeline.schema.json", "report.schema.json", "pipeline-file.md"])
def test_what_is_generated_is_up_to_date(name: str) -> None:
    texts = runpy.run_path(str(DOCS / "generate.py"))["generated"]()
    assert (DOCS / name).read_text(encoding="utf-8") == texts[name], "type: python docs/generate.py"


def test_the_site_builds_with_every_link_and_anchor_whole(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="mkdocs-material is not installed")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "site" / "pipeline-file.html").is_file()


def test_the_messages_that_are_explained_are_messages_of_this_tool() -> None:
    sources = [*ROOT.glob("optimize/**/*.py"), *ROOT.glob("benchmarks/*.py")]
    code = " ".join(" ".join(file.read_text(encoding="utf-8") for file in sources).split())
    code = re.sub(r'" f?"', "", code)
    headings = re.findall(r"^### (.*)$", (DOCS / "troubleshooting.md").read_text(encoding="utf-8"), re.MULTILINE)
    messages = [message for heading in headings for message in re.findall(r"`([^`]+)`", heading)]
    assert len(messages) > 12
    for message in messages:
        fragment = max(re.split(r"…|:|'[a-z]+'|[0-9±.%]+", message), key=len).strip()
        assert fragment in code, f"no message says {fragment!r} any more"


def test_every_command_that_the_pages_show_is_one() -> None:
    from optimize.cli import COMMANDS

    for page in DOCS.glob("*.md"):
        shown = re.findall(r"^(?:\$ |- |    - )?optimize ([a-z]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(shown) <= COMMANDS.keys(), page.name


@pytest.mark.parametrize("page", sorted(page.name for page in DOCS.glob("*.md")))
def test_every_yaml_that_a_page_shows_is_yaml(page: str) -> None:
    for block in re.findall(
        r"^```yaml\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    ):
        assert yaml.safe_load(block) or block.startswith("# yaml-language-server"), block


def test_the_job_for_gitlab_runs_keeps_the_store_gates_uploads_and_comments() -> None:
    page = (DOCS / "ci.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```yaml\n(optimize:\n.*?)^```", page, re.MULTILINE | re.DOTALL)
    job = yaml.safe_load(block)["optimize"]
    assert "optimize run pipeline.yaml" in job["script"]
    assert job["cache"]["paths"] == [".optimize/"] and job["cache"]["when"] == "always"
    assert job["artifacts"]["reports"] == {"junit": "build/junit.xml"} and job["artifacts"]["when"] == "always"
    comment = subprocess.run(["bash", "-n", "-c", job["after_script"][0]], capture_output=True, text=True, check=False)
    assert comment.returncode == 0 and "body=<build/report.md" in job["after_script"][0], comment.stderr


def step_of_the_action(name: str) -> str:
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    (step,) = [step for step in action["runs"]["steps"] if step.get("name") == name]
    return str(step["run"])


def test_no_input_of_the_action_is_pasted_into_a_script() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    assert not any("${{" in step.get("run", "") for step in action["runs"]["steps"])


@pytest.mark.parametrize(("only", "code"), [("onnx-none", 0), ("onnx-dynamic", 1)])
def test_the_step_of_the_action_reports_and_gates(only: str, code: int, tmp_path: Path) -> None:
    """As the runner does it: `bash -e`, with its files for outputs and summary."""
    pytest.importorskip("onnx")
    write_pipeline(tmp_path)
    variables = {
        "FILE": "models/pipeline.yaml", "ARGUMENTS": f"--until check --only {only}",
        "GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }  # fmt: skip
    script = step_of_the_action("Run")
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    ended = subprocess.run(
        command, cwd=tmp_path, env=os.environ | variables, capture_output=True, text=True, check=False
    )
    assert ended.returncode == code, ended.stderr
    output = dict(line.split("=", 1) for line in (tmp_path / "output").read_text(encoding="utf-8").splitlines())
    assert (output["exit-code"], output["winner"]) == (str(code), "")
    assert Path(output["report"], "report.html").is_file()
    assert (tmp_path / "summary").read_text(encoding="utf-8").startswith("## tiny")


def write_pipeline(folder: Path) -> None:
    """No int8 candidate can meet its tolerances."""
    import numpy as np
    import onnx

    (folder / "models").mkdir()
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", 8])
    y = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["batch", 4])
    weight = onnx.numpy_helper.from_array(np.linspace(-1, 1, 32, dtype=np.float32).reshape(8, 4), "w")
    graph = onnx.helper.make_graph([onnx.helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [x], [y], [weight])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "models" / "m.onnx")
    tolerances = "tolerances: {int8: {max_relative: 1.0e-30}}\n"
    candidates = "candidates: {formats: [onnx], quantization: [none, dynamic]}\n"
    text = f"name: tiny\nsource: {{kind: onnx, file: m.onnx}}\n{candidates}{tolerances}"
    (folder / "models" / "pipeline.yaml").write_text(text, encoding="utf-8")
