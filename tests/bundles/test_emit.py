"""What lies in `model.tar.gz`, and that equal inputs are equal bytes."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnx

from optimize.digests import digest_file
from optimize.execution.request import ArtifactReference
from tests.bundles.cases import emit_request
from tests.bundles.conftest import Carry

Model = Callable[[str, str], ArtifactReference]
Emitted = Callable[..., Path]


def names(bundle: Path) -> list[str]:
    with tarfile.open(bundle) as tar:
        return tar.getnames()


def test_a_torchscript_lies_at_the_root_beside_its_handler(emitted: Emitted) -> None:
    assert {"model.pt", "code/inference.py", "code/bundle_model.py"} <= set(names(emitted("torchscript", "several")))


def test_an_onnx_bundle_brings_its_handler_and_pins_its_runtime(emitted: Emitted) -> None:
    bundle = emitted("onnx", "single", "pytorch")
    assert {"model.onnx", "code/inference.py", "code/signature.json"} <= set(names(bundle))
    with tarfile.open(bundle) as tar:
        requirements = tar.extractfile("code/requirements.txt")
        handler = tar.extractfile("code/inference.py")
        assert requirements is not None
        assert handler is not None
        assert requirements.read().startswith(b"onnxruntime==")
        assert b"torch" not in handler.read()
        assert "code/bundle_torch.py" not in tar.getnames()


def test_a_saved_model_lies_in_exactly_one_version_folder(emitted: Emitted) -> None:
    found = names(emitted("saved_model", "single"))
    assert "1/saved_model.pb" in found
    assert all(name.startswith("1/") for name in found if name not in ("bundle.json", "bom.cdx.json"))


def test_equal_inputs_are_equal_bytes_whenever_and_wherever_they_are_packed(
    model: Model, golden: Callable[[str], Path], carry_out: Carry
) -> None:
    reference = model("onnx", "single")
    first, made = carry_out(emit_request(reference, golden("single")))
    os.utime(Path(reference.path) / "model.onnx", (time.time(), 1_000_000_000))
    second, again = carry_out(emit_request(reference, golden("single")))
    assert (made / "model.tar.gz").read_bytes() == (again / "model.tar.gz").read_bytes()
    assert first["payload"] == second["payload"]
    assert first["payload"]["digest"] == digest_file(made / "model.tar.gz")
    assert first["payload"]["size_bytes"] == (made / "model.tar.gz").stat().st_size


def test_members_have_no_time_no_owner_and_one_mode(emitted: Emitted) -> None:
    bundle = emitted("onnx", "single")
    with tarfile.open(bundle) as tar:
        members = tar.getmembers()
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {(0, 0, 0, "", "", 0o644)}
    assert [m.name for m in members] == sorted(m.name for m in members)
    with gzip.open(bundle) as file:
        file.peek(1)
        assert file.mtime == 0


def test_the_manifest_has_digests_and_provenance_and_no_path_of_this_machine(emitted: Emitted, model: Model) -> None:
    with tarfile.open(emitted("onnx", "single")) as tar:
        file = tar.extractfile("bundle.json")
        assert file is not None
        text = file.read().decode()
    manifest = json.loads(text)
    assert manifest["files"]["model.onnx"] == digest_file(Path(model("onnx", "single").path) / "model.onnx")
    assert manifest["provenance"] == {"why": "test"}
    assert manifest["signature"]["inputs"][0]["name"] == "image"
    assert str(Path.home()) not in text
    assert str(Path(model("onnx", "single").path).parent) not in text


def in_a_process(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """`code` as the one worker of a server would run it, with the handler's folder on the path."""
    one_worker = os.environ | {"SAGEMAKER_MODEL_SERVER_WORKERS": "1", "OPTIMIZE_METRICS": os.devnull}
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, 'code'); {code}"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=one_worker)


def test_what_the_runtime_was_told_is_told_by_the_handler_too(
    model: Model, golden: Callable[[str], Path], carry_out: Carry
) -> None:
    told = {"threads": 2, "spinning": False, "graph_optimization": "basic", "arena": False}
    _, made = carry_out(emit_request(model("onnx", "single"), golden("single"), settings=told))
    with tarfile.open(made / "model.tar.gz") as tar:
        settings = json.load(tar.extractfile("code/signature.json"))  # type: ignore[arg-type]
        tar.extractall(made / "opened", filter="data")
    assert settings["threads"] == 2 and settings["options"] == {k: v for k, v in told.items() if k != "threads"}
    ask = (
        "import inference; options = inference.model_fn('.')._session.get_session_options(); "
        "print(options.intra_op_num_threads, options.graph_optimization_level.name, options.enable_cpu_mem_arena, "
        "options.get_session_config_entry('session.intra_op.allow_spinning'))"
    )
    done = in_a_process(made / "opened", ask)
    assert done.stdout.startswith("2 ORT_ENABLE_BASIC False 0\n"), done.stdout + done.stderr


def test_a_graph_that_the_named_image_cannot_read_is_refused_by_the_file_itself(
    model: Model, golden: Callable[[str], Path], carry_out: Carry, tmp_path: Path
) -> None:
    whole = model("onnx", "single")
    newer = onnx.load(Path(whole.path) / "model.onnx")
    newer.opset_import[0].version = 20
    onnx.save(newer, tmp_path / "model.onnx")
    reference = ArtifactReference(str(tmp_path), "onnx", "none", whole.signature)
    asked = emit_request(reference, golden("single"), "triton", image="sagemaker-tritonserver:23.12")
    result, files = carry_out(asked)
    assert result["state"] == "unsupported"
    assert "reads opset 19 at most; the model is of 20; the newest that can is" in result["reason"]
    assert list(files.iterdir()) == []
    older, _ = carry_out(replace(asked, artifacts={"model": whole}))
    assert older["state"] == "ok", older


def test_openvinos_handler_compiles_for_the_sizes_that_come_where_that_is_asked_for(
    model: Model, golden: Callable[[str], Path], carry_out: Carry
) -> None:
    _, made = carry_out(emit_request(model("openvino", "single"), golden("single"), settings={"fixed_sizes": True}))
    with tarfile.open(made / "model.tar.gz") as tar:
        tar.extractall(made / "opened", filter="data")
    ask = (
        "import inference; import numpy as np; model = inference.model_fn('.'); "
        "answers = [model.run({'image': np.ones((n, 2, 3), np.float32)})['logits'] for n in (1, 2, 3, 4, 5, 6, 1)]; "
        "print(len(model._fixed), model._any is not None, [len(a) for a in answers], np.ptp(np.concatenate(answers), 0).max())"
    )
    done = in_a_process(made / "opened", ask)
    assert done.stdout.startswith("4 True [1, 2, 3, 4, 5, 6, 1] 0.0\n"), done.stdout + done.stderr
