"""OpenVINO told to compile for the sizes that come: the same answers at every size, and not one compilation for each."""

from __future__ import annotations

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from optimize.artifact import Artifact
from optimize.runtimes import openvino as runtime
from optimize.signature import Signature, TensorSpec
from optimize.stages import RuntimeSettings

WIDTH = 4
SIGNATURE = Signature(
    (TensorSpec("x", "float32", ("batch", WIDTH)),), (TensorSpec("y", "float32", ("batch", WIDTH)),)
)  # fmt: skip


@pytest.fixture(scope="module")
def doubling(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    folder = tmp_path_factory.mktemp("doubling")
    x = ops.parameter([-1, WIDTH], np.float32)
    x.output(0).set_names({"x"})
    y = ops.add(x, x)
    y.output(0).set_names({"y"})
    openvino.save_model(openvino.Model([y], [x]), folder / runtime.FILE, compress_to_fp16=False)
    return Artifact(folder, "openvino", "none", SIGNATURE)


@pytest.mark.parametrize("fixed", [False, True])
def test_every_size_is_answered_and_only_the_first_few_are_compiled_for(doubling: Artifact, fixed: bool) -> None:
    settings = RuntimeSettings(1, {"fixed_sizes": fixed})
    session = runtime.open(runtime.read(doubling), doubling, settings)
    compiled = []
    compile_as_told = session._compile
    session._compile = lambda model: compiled.append(model) or compile_as_told(model)
    for batch in (1, 2, 1, 3, 4, 5, 6, 5, 1):
        x = np.arange(batch * WIDTH, dtype=np.float32).reshape(batch, WIDTH)
        np.testing.assert_array_equal(session.run({"x": x})["y"], 2 * x)
    free = [model for model in compiled if model.inputs[0].partial_shape.is_dynamic]
    assert (len(compiled), len(free)) == ((runtime.SIZES + 1, 1) if fixed else (0, 0))
    assert session.threads == 1
