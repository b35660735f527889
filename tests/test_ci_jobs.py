"""The action, the jobs that docs/ci.md shows and the hooks: by their published schemas, and by running their steps."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]


def shown(start: str) -> str:
    """The one block of YAML in docs/ci.md that begins so."""
    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    (block,) = re.findall(rf"^```yaml\n({start}.*?)^```", page, re.MULTILINE | re.DOTALL)
    return str(block)


def schema_says(schema: str, path: Path, *more: str) -> str:
    """Nothing where the file holds to the schema, which check-jsonschema carries along."""
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *more, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_the_action_holds_to_githubs_schema(tmp_path: Path) -> None:
    assert schema_says("vendor.github-actions", ROOT / "action.yml") == ""
    broken = tmp_path / "action.yml"
    broken.write_text((ROOT / "action.yml").read_text(encoding="utf-8").replace("using: composite", "using: magic"))
    assert "magic" in schema_says("vendor.github-actions", broken), "the schema tells a broken one"


def test_the_workflow_that_is_shown_holds_to_githubs_schema_and_gives_inputs_that_the_action_has(
    tmp_path: Path,
) -> None:
    (tmp_path / "model.yml").write_text(shown("name: model\n"), encoding="utf-8")
    assert schema_says("vendor.github-workflows", tmp_path / "model.yml") == ""
    (step,) = [s for s in yaml.safe_load(shown("name: model\n"))["jobs"]["optimize"]["steps"] if s["uses"] == "./"]
    assert step["with"].keys() <= action()["inputs"].keys()


def test_the_job_that_is_shown_holds_to_gitlabs_schema(tmp_path: Path) -> None:
    (tmp_path / ".gitlab-ci.yml").write_text(shown("optimize:\n"), encoding="utf-8")
    assert schema_says("vendor.gitlab-ci", tmp_path / ".gitlab-ci.yml", "--data-transform", "gitlab-ci") == ""


def test_pre_commit_reads_the_hooks_and_the_configuration_that_is_shown(tmp_path: Path) -> None:
    (tmp_path / ".pre-commit-config.yaml").write_text(shown("repos:\n"), encoding="utf-8")
    for verb, file in (
        ("validate-manifest", ROOT / ".pre-commit-hooks.yaml"),
        ("validate-config", tmp_path / ".pre-commit-config.yaml"),
    ):
        command = [sys.executable, "-m", "pre_commit", verb, str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def action() -> Any:
    return yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))


def test_the_job_for_gitlab_runs_keeps_the_store_gates_uploads_and_comments() -> None:
    job = yaml.safe_load(shown("optimize:\n"))["optimize"]
    assert "optimize run pipeline.yaml" in job["script"]
    assert job["cache"]["paths"] == [".optimize/"] and job["cache"]["when"] == "always"
    assert job["artifacts"]["reports"] == {"junit": "build/junit.xml"} and job["artifacts"]["when"] == "always"
    comment = subprocess.run(["bash", "-n", "-c", job["after_script"][0]], capture_output=True, text=True, check=False)
    assert comment.returncode == 0 and "body=<build/report.md" in job["after_script"][0], comment.stderr


def step_of_the_action(name: str) -> str:
    (step,) = [step for step in action()["runs"]["steps"] if step.get("name") == name]
    return str(step["run"])


def run_step(name: str, folder: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """As the runner does it: `bash -e`."""
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step_of_the_action(name)]
    return subprocess.run(command, cwd=folder, env=os.environ | variables, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_step_of_the_action_installs_the_tool_from_where_the_runner_put_it(tmp_path: Path) -> None:
    """Without its dependencies, which the first command of the README installs by the same file of versions."""
    subprocess.run(["git", "clone", "-q", str(ROOT), str(tmp_path / "action")], check=True)
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "python")], check=True)
    variables = {
        "ACTION": str(tmp_path / "action"), "EXTRAS": "torch,onnx", "PIP_NO_DEPS": "1", "PYTHONPATH": "",
        "PATH": f"{tmp_path / 'python' / 'bin'}:{os.environ['PATH']}",
    }  # fmt: skip
    ended = run_step("Install", tmp_path, variables)
    assert ended.returncode == 0, ended.stderr
    assert "does not provide the extra" not in ended.stderr
    assert (tmp_path / "python" / "bin" / "optimize").is_file()


def test_no_input_of_the_action_is_pasted_into_a_script() -> None:
    assert not any("${{" in step.get("run", "") for step in action()["runs"]["steps"])


@pytest.mark.parametrize(("only", "code"), [("onnx-none", 0), ("onnx-dynamic", 1)])
def test_the_step_of_the_action_reports_and_gates(only: str, code: int, tmp_path: Path) -> None:
    """With the runner's files for outputs and summary."""
    pytest.importorskip("onnx")
    write_pipeline(tmp_path)
    variables = {
        "FILE": "models/pipeline.yaml", "ARGUMENTS": f"--until check --only {only}",
        "GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }  # fmt: skip
    ended = run_step("Run", tmp_path, variables)
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
