"""Weights of every kind of file, what does not fit, and what must not be executed. torch stays in one process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from optimize.sources.pytorch import Options
from tests.conftest import Project

BUILD = """
import gc, json, os, re, sys
from pathlib import Path
import numpy as np, torch
from safetensors.torch import save_file
from optimize.artifact import Artifact
from optimize.errors import UserError
from optimize.signature import Signature, TensorSpec
from optimize.sources.modules import module_source
from optimize.sources.pytorch import Options
sys.path.insert(0, str(Path.cwd()))
from model import Large, Net, Tied, Viewed

torch.manual_seed(0)
net = Net()
state = net.state_dict()
x = np.ones((2, 4), np.float32)
expected = net.eval()(torch.from_numpy(x)).detach().numpy()

def build(**options):
    options = {"factory": "model.py:Net", "inputs": {"x": {"shape": ["batch", 4]}}} | options
    parsed = Options(**options).model_dump(mode="json")
    signature = Signature((TensorSpec("x", "float32", ("batch", 4)),))
    return module_source(Artifact(Path.cwd(), "pytorch", "source", signature, parsed))

def answers(**options):
    found = build(**options).run({"x": x})
    return bool((found["output"] == expected).all())

def message(**options):
    try:
        build(**options)
    except UserError as error:
        return f"{error.key}: {error.message}"
    return "no error"

save_file(state, "weights.safetensors")
torch.save(state, "weights.pt")
torch.save(state, "old.pt", _use_new_zipfile_serialization=False)
torch.save({"model_state_dict": state, "optimizer_state_dict": {}, "epoch": 3}, "checkpoint.pt")
torch.save(torch.optim.Adam(net.parameters()).state_dict(), "optimizer.pt")
torch.save(net, "module.pt")
torch.save([1, 2], "list.pt")
save_file({k: v.half() for k, v in state.items()}, "half.safetensors")
keys = list(state)
save_file({k: state[k] for k in keys[:2]}, "part-1.safetensors")
save_file({k: state[k] for k in keys[2:]}, "part-2.safetensors")
parts = {k: f"part-{1 if k in keys[:2] else 2}.safetensors" for k in keys}
Path("model.safetensors.index.json").write_text(json.dumps({"weight_map": parts}))
Path("lost.index.json").write_text(json.dumps({"weight_map": {"a": "nowhere.safetensors"}}))
Path("bad.index.json").write_text("[1]")
Path("cut.pt").write_bytes(Path("weights.pt").read_bytes()[:-200])

class Bomb:
    def __reduce__(self):
        return os.system, ("touch exploded",)

torch.save({"weights": Bomb()}, "bomb.pt")

tied = Tied(); save_file({"one.weight": tied.one.weight.detach()}, "tied.safetensors")
source = build(factory="model.py:Tied", weights="tied.safetensors")
viewed = Viewed(); save_file(viewed.state_dict(), "viewed.safetensors")
with torch.no_grad():
    seen = viewed(torch.from_numpy(x)).numpy()

def memory(field):
    return int(re.search(field + r":\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

save_file(Large().state_dict(), "large.safetensors")
gc.collect()
Path("/proc/self/clear_refs").write_text("5")  # The high-water mark starts again from here.
before = memory("VmRSS")
large = build(factory="model.py:Large", weights="large.safetensors")
taken = (memory("VmHWM") - before) / Path("large.safetensors").stat().st_size

print(json.dumps({
    "taken": taken,
    "same": {
        name: answers(weights=name) for name in ("weights.safetensors", "weights.pt", "old.pt", "model.safetensors.index.json")
    } | {
        "checkpoint": answers(weights="checkpoint.pt", weights_key="model_state_dict"),
        "module": answers(weights="module.pt", trust=True),
        "module alone": answers(weights="module.pt", trust=True, factory=None),
        "view": bool((build(factory="model.py:Viewed", weights="viewed.safetensors").run({"x": x})["output"] == seen).all()),
    },
    "dtype": str(next(build(weights="half.safetensors").module.parameters()).dtype),
    "tied": source.module.one.weight is source.module.two.weight,
    "messages": {
        "checkpoint": message(weights="checkpoint.pt"),
        "key": message(weights="checkpoint.pt", weights_key="ema"),
        "optimizer": message(weights="optimizer.pt"),
        "list": message(weights="list.pt"),
        "cut": message(weights="cut.pt"),
        "lost": message(weights="lost.index.json"),
        "bad": message(weights="bad.index.json"),
        "bomb": message(weights="bomb.pt"),
        "module": message(weights="module.pt"),
        "alone": message(weights="weights.pt", trust=True, factory=None),
        "other": message(factory="model.py:Tied", weights="weights.pt"),
    },
    "exploded": Path("exploded").exists(),
}))
"""

MODEL = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 3))

    def forward(self, x):
        return self.layers(x)

class Large(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleList(nn.Linear(4, 1_000_003) for _ in range(6))

    def forward(self, x):
        return sum(part(x) for part in self.parts)

class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
        self.two.weight = self.one.weight

    def forward(self, x):
        return self.two(self.one(x))

class Viewed(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Linear(4, 4)
        self.back = [self.one.weight.detach().t()]

    def forward(self, x):
        return self.one(x) @ self.back[0]
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("weights")
    (folder / "model.py").write_text(MODEL)
    done = subprocess.run([sys.executable, "-c", BUILD], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answers


def test_every_kind_of_weights_gives_the_models_own_answers_bit_for_bit(found: dict[str, Any]) -> None:
    assert found["same"] == dict.fromkeys(found["same"], True)


def test_while_weights_are_read_memory_holds_them_once(found: dict[str, Any]) -> None:
    assert found["taken"] < 1.3


def test_weights_take_the_modules_dtype(found: dict[str, Any]) -> None:
    assert found["dtype"] == "torch.float32"


def test_tied_weights_stay_tied_and_one_name_is_enough(found: dict[str, Any]) -> None:
    assert found["tied"] is True


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("checkpoint", "source.weights: .* is a training checkpoint, .* `weights_key: model_state_dict`"),
        ("key", "source.weights_key: .* has no state_dict under 'ema'; it has model_state_dict"),
        ("optimizer", "the state of an optimizer, not of a model"),
        ("list", "holds a list, not a state_dict"),
        ("cut", "cannot be read as weights"),
        ("lost", "names nowhere.safetensors, and there is no such file"),
        ("bad", "is not the index of a sharded checkpoint"),
        ("bomb", "opening it would execute .*system"),
        ("module", "opening it would execute .*model.Net.*trust: true"),
        ("alone", "source.factory: weights.pt holds weights alone"),
        ("other", "missing: one.weight, two.weight; unexpected: layers.0.bias"),
    ],
)
def test_what_does_not_fit_is_one_message(found: dict[str, Any], case: str, expected: str) -> None:
    import re

    assert re.search(expected, found["messages"][case]), found["messages"][case]


def test_nothing_of_a_pickle_is_executed(found: dict[str, Any]) -> None:
    assert found["exploded"] is False


def test_a_source_without_a_factory_needs_trust() -> None:
    with pytest.raises(ValidationError, match="name what builds the model"):
        Options(weights="a.pt", inputs={"x": {"shape": (1,)}})  # type: ignore[dict-item]


def test_the_shards_of_a_checkpoint_count_as_its_bytes(torch_project: Project) -> None:
    folder = torch_project().parent
    (folder / "w.index.json").write_text(json.dumps({"weight_map": {"a": "2.bin", "b": "1.bin", "c": "2.bin"}}))
    for name in ("1.bin", "2.bin"):
        (folder / name).touch()
    options = Options(weights="w.index.json", factory="model.py:Net", inputs={"x": {"shape": (1,)}})  # type: ignore[dict-item]
    assert [Path(p).name for p in options.content(folder)["weights"]] == ["w.index.json", "1.bin", "2.bin"]
