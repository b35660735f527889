"""Static int8 of a SavedModel by neural-compressor: its graph rewritten to oneDNN's quantized operators.

The result runs in stock TensorFlow and TensorFlow Serving on x86; there is no such rewrite for other processors. The
quantized operators exist only while oneDNN is on (TF_ENABLE_ONEDNN_OPTS=1), which is the default where the processor
has AVX-512 VNNI; without it they end with "Missing 0-th output" (TensorFlow 2.21).
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from optimize.artifact import Artifact, Made
from optimize.errors import Unsupported
from optimize.golden import whole_batches
from optimize.methods import Method, Task
from optimize.runtimes.lean_tensorflow import prepare_environment
from optimize.samples import Rows
from optimize.signature import Signature

reads = "saved_model"
makes = "saved_model"
method = Method("static", precision="int8", calibrated=True)
libraries = ("tensorflow-cpu", "tensorflow", "neural-compressor")
BATCH = 8


def quantize(model: Artifact, task: Task, output: Path) -> Made:
    if platform.machine() not in ("x86_64", "AMD64"):
        raise Unsupported(
            f"neural-compressor rewrites TensorFlow graphs for x86 only, and this is {platform.machine()}"
        )
    prepare_environment()
    from neural_compressor.tensorflow import StaticQuantConfig, quantize_model

    work = output.parent / "neural-compressor"
    work.mkdir()
    os.chdir(work)  # It writes its logs and workspaces into the current folder.
    loader = _Loader(model.signature, task.rows)
    quantized = quantize_model(str(model.path), StaticQuantConfig(), loader, calib_iteration=loader.count)
    quantized.save(str(work / "saved"))
    _move(work / "saved", output, model.signature)
    shutil.rmtree(work)
    return Made(f"neural-compressor static int8, calibrated on {loader.count} batches of {loader.batch_size}")


class _Loader:
    """Batches as neural-compressor asks for them: (inputs, labels), with `batch_size`."""

    def __init__(self, signature: Signature, calibration: Rows) -> None:
        self._names = signature.input_names
        self._batches = whole_batches(signature, calibration, BATCH)
        self.batch_size = self._batches.size
        self.count = len(self._batches)

    def __iter__(self) -> Iterator[tuple[Any, int]]:
        for batch in self._batches:
            inputs = [batch[name] for name in self._names]
            yield (inputs[0] if len(inputs) == 1 else tuple(inputs)), 0

    def __len__(self) -> int:
        return self.count


def _move(saved: Path, output: Path, signature: Signature) -> None:
    for path in saved.iterdir():
        shutil.move(path, output / path.name)
    _name_outputs(output / "saved_model.pb", signature)


def _name_outputs(path: Path, signature: Signature) -> None:
    """neural-compressor names outputs after graph nodes: Identity, Identity_1 ... in the order of the sorted names."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    model = SavedModel()
    model.ParseFromString(path.read_bytes())
    outputs = model.meta_graphs[0].signature_def["serving_default"].outputs
    found = sorted(outputs, key=lambda name: int(name.partition("_")[2] or 0))
    names = sorted(signature.output_names)
    if len(found) != len(names):
        raise Unsupported(f"neural-compressor kept the outputs {found} of {names}")
    renamed = {new: outputs[old] for old, new in zip(found, names, strict=True)}
    for old in found:
        del outputs[old]
    for new, info in renamed.items():
        outputs[new].CopyFrom(info)
    path.write_bytes(model.SerializeToString(deterministic=True))
