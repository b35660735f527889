"""The methods on PyTorch modules: what they emit stands alone, and options and targets count."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from optimize.artifact import Artifact, Made
from optimize.errors import Unsupported, UserError
from optimize.methods import Task
from optimize.quantizers import (
    aotinductor_static,
    exported_program_static,
    torchscript_bf16,
    torchscript_dynamic,
    torchscript_static,
)
from optimize.runtimes import aotinductor, torchscript
from optimize.samples import Samples
from optimize.signature import Signature, TensorSpec
from optimize.stages import RuntimeSettings
from tests.quantizers import torch_models
from tests.quantizers.onnx_models import cosine


def signature(channels: int = 3) -> Signature:
    image = TensorSpec("x", "float32", ("batch", channels, 12, 12))
    return Signature((image,), (TensorSpec("output", "float32", ("batch", 5)),))


SIGNATURE = signature()
X = np.random.default_rng(0).standard_normal((32, 3, 12, 12)).astype(np.float32)
C7I = frozenset({"avx2", "avx512", "vnni", "bf16", "amx"})


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return write_source(tmp_path_factory.mktemp("source"))


def write_source(folder: Path, channels: int = 3) -> Artifact:
    import torch
    from safetensors.torch import save_file

    shutil.copy(torch_models.__file__, folder / "net.py")
    torch.manual_seed(0)
    arguments = {"channels": channels}
    save_file(torch_models.Net(**arguments).state_dict(), folder / "weights.safetensors")
    options = {
        "kind": "pytorch", "factory": "net.py:Net", "weights": "weights.safetensors", "arguments": arguments,
        "weights_key": None, "trust": False,
    }  # fmt: skip
    return Artifact(folder, "pytorch", "source", signature(channels), options)


def images(source: Artifact, rows: int | None = None) -> np.ndarray[Any, Any]:
    return np.ascontiguousarray(X[:rows, : source.options["arguments"]["channels"]])


def quantize(module: ModuleType, source: Artifact, output: Path, isa: frozenset[str] = C7I, **options: Any) -> Made:
    task = Task(
        module.method.options(**options), Samples({"x": images(source)}), {"x": images(source, 2)}, isa, "x86_64"
    )
    made: Made = module.quantize(source, task, output)
    return made


def float_answers(source: Artifact, rows: int) -> np.ndarray[Any, Any]:
    import torch
    from safetensors.torch import load_file

    net = torch_models.Net(**source.options["arguments"]).eval()
    net.load_state_dict(load_file(source.path / "weights.safetensors"))
    with torch.inference_mode():
        found: np.ndarray[Any, Any] = net(torch.from_numpy(images(source, rows))).numpy()
    return found


@pytest.mark.parametrize(
    ("module", "runtime"),
    [
        (torchscript_dynamic, torchscript),
        (torchscript_static, torchscript),
        (torchscript_bf16, torchscript),
    ],
)
def test_it_gives_the_modules_own_answers_at_any_batch(
    source: Artifact, tmp_path: Path, module: ModuleType, runtime: ModuleType
) -> None:
    quantize(module, source, tmp_path)
    artifact = Artifact(tmp_path, module.makes, module.method.name, SIGNATURE)
    session = runtime.open(runtime.read(artifact), artifact, RuntimeSettings())
    for rows in (1, 5):
        output = session.run({"x": X[:rows]})["output"]
        assert output.dtype == np.float32 and cosine(output, float_answers(source, rows)) > 0.999


def test_an_int8_convolution_of_one_channel_is_right_when_it_is_compiled(tmp_path: Path) -> None:
    """Inductor takes what comes of it for channels first, and the kernel writes channels last."""
    source = write_source(tmp_path, channels=1)
    made = tmp_path / "made"
    made.mkdir()
    quantize(aotinductor_static, source, made)
    artifact = Artifact(made, "aotinductor", "static", source.signature)
    session = aotinductor.open(aotinductor.read(artifact), artifact, RuntimeSettings())
    for rows in (1, 5):
        output = session.run({"x": images(source, rows)})["output"]
        assert cosine(output, float_answers(source, rows)) > 0.999


def test_a_quantized_program_is_read_by_a_process_without_torchao(source: Artifact, tmp_path: Path) -> None:
    quantize(exported_program_static, source, tmp_path)
    np.save(tmp_path / "x.npy", X[:5])
    code = (
        "import sys, pathlib, numpy as np\n"
        "from optimize.artifact import Artifact\n"
        "from optimize.runtimes.exported_program import open, read\n"
        "from optimize.signature import Signature, TensorSpec\n"
        "from optimize.stages import RuntimeSettings\n"
        "signature = Signature((TensorSpec('x', 'float32', ('batch', 3, 12, 12)),), (TensorSpec('output', 'float32', ('batch', 5)),))\n"
        "model = Artifact(pathlib.Path('.'), 'exported_program', 'static', signature)\n"
        "answers = open(read(model), model, RuntimeSettings()).run({'x': np.load('x.npy')})\n"
        "assert 'torchao' not in sys.modules\n"
        "np.save('y.npy', answers['output'])"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert cosine(np.load(tmp_path / "y.npy"), float_answers(source, 5)) > 0.999


def test_a_quantized_state_dict_loads_only_into_a_module_that_was_quantized_first() -> None:
    import torch
    from torch import nn

    net = torch_models.Net().eval()
    state = torch.ao.quantization.quantize_dynamic(net, {nn.Linear}).state_dict()
    with pytest.raises(RuntimeError, match=r"Missing key.*head.0.weight"):
        torch_models.Net().load_state_dict(state)
    rebuilt = torch.ao.quantization.quantize_dynamic(torch_models.Net().eval(), {nn.Linear})
    rebuilt.load_state_dict(state)
    x = torch.from_numpy(X)
    assert cosine(rebuilt(x).detach().numpy(), net(x).detach().numpy()) > 0.999


def test_what_dynamic_emits_rebuilds_the_quantized_module_without_the_users_code(
    source: Artifact, tmp_path: Path
) -> None:
    quantize(torchscript_dynamic, source, tmp_path)
    code = (
        "import sys, numpy as np, torch; model = torch.jit.load('model.pt'); assert 'net' not in sys.modules; "
        "assert 'quantized::linear_dynamic' in str(model.inlined_graph); "
        "np.save('y.npy', model(torch.from_numpy(np.load('x.npy'))).numpy())"
    )
    np.save(tmp_path / "x.npy", X[:4])
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert cosine(np.load(tmp_path / "y.npy"), float_answers(source, 4)) > 0.999


def test_an_excluded_module_stays_in_float(source: Artifact, tmp_path: Path) -> None:
    made = quantize(torchscript_dynamic, source, tmp_path, exclude=("head.2",))
    assert "of 1 layers, per channel" in made.method
    with pytest.raises(Unsupported, match="finds no layer"):
        quantize(torchscript_static, source, tmp_path, exclude=("head", "body"))


@pytest.mark.parametrize("module", [torchscript_dynamic, torchscript_static, exported_program_static])
def test_a_module_to_exclude_that_does_not_exist_is_refused_with_the_nearest(
    source: Artifact, tmp_path: Path, module: ModuleType
) -> None:
    with pytest.raises(UserError, match=r"no module 'haed'; the nearest are head"):
        quantize(module, source, tmp_path, exclude=("haed",))


@pytest.mark.parametrize("kind", ["magnitude", "n_m"])
def test_zeros_come_before_quantization_and_are_told(source: Artifact, tmp_path: Path, kind: str) -> None:
    made = quantize(torchscript_dynamic, source, tmp_path, prune={"kind": kind, "amount": 0.5, "n": 1, "m": 3})
    assert f"pruned by {kind}: " in made.notes[0] and "which dense kernels do not skip" in made.notes[0]
    kept = next(tensor for tensor in constants(tmp_path) if tensor.shape == (8, 3, 3, 3))
    assert 0.2 < float((kept == 0).float().mean()) < 0.7


def constants(folder: Path) -> list[Any]:
    """The tensors that a TorchScript file holds."""
    import torch

    model = torch.jit.load(folder / "model.pt")
    graph = model.inlined_graph
    nodes = graph.findAllNodes("prim::Constant")
    return [node.t("value") for node in nodes if node.hasAttribute("value") and node.kindOf("value") == "t"]


def test_two_of_four_neighbours_stay() -> None:
    import torch

    from optimize.quantizers.pruning import Pruning, prune

    torch.manual_seed(0)
    layer = torch.nn.Linear(16, 3)
    before = layer.weight.detach().clone()
    prune(torch.nn.Sequential(layer), lambda: None, Pruning(kind="n_m"))
    groups, were = layer.weight.detach().reshape(-1, 4), before.reshape(-1, 4)
    assert ((groups != 0).sum(1) == 2).all()
    for group, was in zip(groups, were, strict=True):
        assert group[group != 0].abs().min() >= was[group == 0].abs().max()


def test_bfloat16_is_unsupported_where_the_target_has_no_instructions_for_it(source: Artifact, tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match=r"no instructions for bfloat16 \(it has avx2, avx512\)"):
        quantize(torchscript_bf16, source, tmp_path, isa=frozenset({"avx2", "avx512"}))
