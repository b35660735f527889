"""Every kind of model is told from its bytes, without loading it."""

from __future__ import annotations

import io
import json
import pickle
import struct
import sys
import zipfile
from pathlib import Path

import pytest

from optimize.errors import UserError
from optimize.newcomers.looking import look
from optimize.sources.pickles import globals_in


def safetensors(path: Path, shapes: dict[str, list[int]]) -> Path:
    header = json.dumps(
        {name: {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]} for name, shape in shapes.items()}
    )
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode())
    return path


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('the pickle was run')",))


def test_a_state_dict_in_safetensors_tells_its_weights(tmp_path: Path) -> None:
    seen = look(safetensors(tmp_path / "w.safetensors", {"conv.weight": [8, 3, 3, 3], "conv.bias": [8]}))
    assert (seen.kind, seen.weights["conv.weight"]) == ("pytorch", (8, 3, 3, 3))
    assert seen.facts == ("2 tensors, 224 numbers",)


def test_archives_are_told_apart(tmp_path: Path) -> None:
    plain = pickle.dumps({})
    torchscript = {"m/data.pkl": plain, "m/constants.pkl": plain, "m/code/__torch__.py": b""}
    assert look(zipped(tmp_path / "a.pt", torchscript)).kind == "torchscript"
    assert look(zipped(tmp_path / "b.pt2", {"p/models/model.json": b"{}"})).kind == "exported_program"
    keras = {"config.json": b"{}", "metadata.json": b"{}", "model.weights.h5": b""}
    assert look(zipped(tmp_path / "c.keras", keras)).kind == "keras"
    assert look(zipped(tmp_path / "d.pt", {"m/data.pkl": plain})).what == "a state_dict saved with torch.save"


def test_folders_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"")
    assert look(tmp_path / "saved").kind == "saved_model"
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "config.json").write_text('{"model_type": "bert", "architectures": ["BertModel"]}')
    assert look(tmp_path / "hub").facts == ("model type bert", "architecture BertModel")
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "model.onnx").write_bytes(b"")
    assert look(tmp_path / "one").path.name == "model.onnx"


def test_a_lambda_layer_is_named_as_what_would_be_executed(tmp_path: Path) -> None:
    config = b'{"class_name": "Lambda"}'
    seen = look(zipped(tmp_path / "m.keras", {"config.json": config, "metadata.json": b"{}", "w.h5": b""}))
    assert "Lambda" in seen.trust[0]


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_read_and_never_carried_out(protocol: int, tmp_path: Path) -> None:
    assert any(name.endswith(".exec") for name in globals_in(pickle.dumps(Bomb(), protocol)))
    seen = look(zipped(tmp_path / "m.pt", {"m/data.pkl": pickle.dumps(Bomb(), protocol)}))
    assert seen.what == "a module saved whole with torch.save" and seen.trust


def test_a_scikit_learn_pickle_names_its_estimator(tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    (tmp_path / "m.pkl").write_bytes(pickle.dumps(LogisticRegression()))
    seen = look(tmp_path / "m.pkl")
    assert seen.kind == "sklearn" and "LogisticRegression" in seen.facts[0] and seen.trust


def test_looking_loads_no_framework(tmp_path: Path) -> None:
    import subprocess

    path = safetensors(tmp_path / "w.safetensors", {"a": [1]})
    code = (
        f"import sys; from pathlib import Path; from optimize.newcomers.looking import look; look(Path({str(path)!r}));"
        "print([m for m in ('torch', 'tensorflow', 'onnx', 'sklearn', 'numpy') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04", io.BytesIO().getvalue(), b"PK\x05\x06" + b"\0" * 18])
def test_what_is_no_model_is_refused_with_what_was_expected(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "thing").write_bytes(content)
    with pytest.raises(UserError, match=r"no model of a kind that is known here; expected a state_dict"):
        look(tmp_path / "thing")


@pytest.mark.parametrize("content", [b"", b"\x08", struct.pack("<Q", 1 << 62) + b"{", struct.pack("<Q", 2) + b"[]"])
def test_safetensors_cut_short_is_said(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(UserError, match="not a whole safetensors file"):
        look(tmp_path / "w.safetensors")


def test_nothing_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file or folder"):
        look(tmp_path / "absent.onnx")
