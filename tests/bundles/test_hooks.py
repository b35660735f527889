"""The user's own code is checked before anything is made, shipped, and called once on the real server."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from optimize.bundles.hooks import check_hooks
from optimize.bundles.toolkits import toolkit_for, why_not
from optimize.cli import run_command
from optimize.errors import UserError
from optimize.execution.request import ArtifactReference, Request
from tests.bundles.cases import boot_request, emit_request
from tests.bundles.conftest import Carry
from tests.conftest import Project

PRE = """
import numpy as np
from helper import SCALE
from pathlib import Path

def sample():
    return Path(__file__).with_name("request.txt").read_bytes(), "text/plain"

def pre(body, content_type):
    if content_type != "text/plain":
        raise ValueError(f"{content_type} is not text")
    return np.array(body.split(), np.float32).reshape(1, 2, 3) * SCALE
"""
POST = """
def post(outputs, accept):
    return {"label": int(outputs["logits"].argmax())}
"""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import no_such_module", "does not import: ModuleNotFoundError: No module named 'no_such_module'"),
        ("def post(outputs, accept)", "does not import: SyntaxError"),
        ("x = 1", "has no function that is called; expected `pre.body, content_type.` or `post.outputs, accept.`"),
        ("pre = 3", "has no function that is called"),
        ("def pre(body, content_type): ...", "has `pre` and no `sample..`; with it a bundle is tried"),
        ("def pre(b, c): ...\ndef sample(): return 1", "sample.. of hooks.py gives int; expected .body, content type."),
        ("def pre(b, c): raise KeyError(c)\ndef sample(): return b'x', 'a/b'", "raises on its own sample: KeyError: 'a/b'"),
        ("import os; os._exit(3)", "its import ended the process with 3"),
    ],
)  # fmt: skip
def test_code_that_cannot_be_called_is_refused_with_what_is_expected(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "hooks.py").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=says):
        check_hooks(tmp_path / "hooks.py")


def test_it_is_refused_before_anything_is_made_with_its_line(
    onnx_project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    path = onnx_project(bundle={"code": "hooks.py"})
    assert run_command(["run", str(path), "--quiet"]) == 2
    assert "no such file: hooks.py" in capsys.readouterr().err
    (path.parent / "hooks.py").write_text("x = 1", encoding="utf-8")
    assert run_command(["run", str(path), "--quiet"]) == 2
    assert "bundle.code: hooks.py has no function that is called" in capsys.readouterr().err
    assert not (path.parent / ".optimize").exists()


@pytest.fixture
def hooked(
    model: Callable[[str, str], ArtifactReference], golden: Callable[[str], Path], carry_out: Carry, tmp_path: Path
) -> Callable[[str], Path]:
    """An ONNX bundle with the hooks in the text."""

    def make(text: str) -> Path:
        (tmp_path / "my_hooks.py").write_text(text, encoding="utf-8")
        (tmp_path / "helper.py").write_text("SCALE = 2", encoding="utf-8")
        (tmp_path / "request.txt").write_text("1 2 3 4 5 6", encoding="utf-8")
        told = emit_request(model("onnx", "single"), golden("single"))
        _, files = carry_out(Request(**{**vars(told), "data": {"hooks": str(tmp_path / "my_hooks.py")}}))
        return files / "model.tar.gz"

    return make


def boot(bundle: Path, golden: Path, carry_out: Carry, hooks: Path, **parameters: Any) -> dict[str, Any]:
    told = boot_request(bundle, golden, **parameters)
    return carry_out(Request(**{**vars(told), "data": {**told.data, "hooks": str(hooks / "my_hooks.py")}}))[0]


def test_the_file_travels_with_what_it_imports(hooked: Callable[[str], Path]) -> None:
    with tarfile.open(hooked(PRE + POST)) as tar:
        assert {"code/my_hooks.py", "code/helper.py"} <= set(tar.getnames())


@pytest.mark.slow
def test_on_the_real_server_the_golden_is_asked_past_the_hooks_and_the_sample_through_them(
    hooked: Callable[[str], Path], golden: Callable[[str], Path], carry_out: Carry, tmp_path: Path
) -> None:
    toolkit = toolkit_for("multi-model-server")
    assert toolkit is not None and why_not(toolkit) == ""
    result = boot(hooked(PRE + POST), golden("single"), carry_out, tmp_path)
    assert result["state"] == "ok", result
    assert result["payload"]["problems"] == []
    assert result["payload"]["how"].endswith("hooks called once")
    assert all(figures["max_abs"] < 1e-5 for figures in result["payload"]["drift"].values())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (POST.replace('"logits"', '"scores"'), "with the hooks of my_hooks.py, a request is not answered: 'scores'"),
        (PRE.replace("1, 2, 3", "1, 3, 2"), "image has shape [1, 3, 2], and the model takes image: float32[batch, 2, 3]"),
    ],
)  # fmt: skip
def test_hooks_that_do_not_fit_the_model_are_found_at_boot(
    hooked: Callable[[str], Path],
    golden: Callable[[str], Path],
    carry_out: Carry,
    tmp_path: Path,
    text: str,
    says: str,
) -> None:
    result = boot(hooked(text), golden("single"), carry_out, tmp_path, toolkit="none")
    assert result["state"] == "ok", result
    assert says in result["payload"]["problems"][0]


CLIENT = """
import sys; sys.path.insert(0, sys.argv[1])
import inference
model = inference.model_fn(sys.argv[2])
print(inference.transform_fn(model, b"1 0 0 0 0 0", "text/plain", "application/json"))
for content_type in ("application/json", "application/json; hooks=off"):
    try:
        print(inference.transform_fn(model, b"[[[1,0,0],[0,0,0]]]", content_type, "application/json"))
    except Exception as error:
        print(type(error).__name__, error)
"""


@pytest.mark.parametrize("told", ["", "optional"])
def test_hooks_are_passed_only_where_the_environment_allows_it(
    hooked: Callable[[str], Path], tmp_path: Path, told: str
) -> None:
    import subprocess
    import sys

    with tarfile.open(hooked(PRE + POST)) as tar:
        tar.extractall(tmp_path / "u", filter="data")
    command = [sys.executable, "-c", CLIENT, str(tmp_path / "u" / "code"), str(tmp_path / "u")]
    environment = os.environ | {"OPTIMIZE_HOOKS": told, "OPTIMIZE_METRICS": os.devnull}
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.splitlines()
    assert said[0] == """(b'{"label": 3}', 'application/json')"""
    assert said[1] == "Refused application/json is not text"
    assert ("Refused" in said[2]) is (told == "")
