"""Static int8 of a SavedModel by neural-compressor: its graph rewritten to oneDNN's quantized operators.

The result runs in stock TensorFlow and TensorFlow Serving on x86; there is no such rewrite for other processors. The
quantized operators exist only while oneDNN is on (TF_ENABLE_ONEDNN_OPTS=1), which is the default where the processor
has AVX-512 VNNI; without it they end with "Missing 0-th output" (TensorFlow 2.21).
"""

from __future__ import annotations

import gc
import os
import platform
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from optimize.artifact import Artifact, Made
from optimize.errors import Unsupported
from optimize.golden import whole_batches
from optimize.methods import Method, Task
from optimize.quantizers.saved_model_signatures import join, take_out
from optimize.runtimes.lean_tensorflow import prepare_environment
from optimize.runtimes.saved_model import SIGNATURE
from optimize.samples import Batches, Rows
from optimize.signature import Signature

reads = "saved_model"
makes = "saved_model"
method = Method("static", precision="int8", calibrated=True)
libraries = ("tensorflow-cpu", "tensorflow", "neural-compressor")
BATCH = 8
COLLECTED_EVERY_S = 0.3


def quantize(model: Artifact, task: Task, output: Path) -> Made:
    if platform.machine() not in ("x86_64", "AMD64"):
        raise Unsupported(
            f"neural-compressor rewrites TensorFlow graphs for x86 only, and this is {platform.machine()}"
        )
    prepare_environment()
    work = output.parent / "neural-compressor"
    work.mkdir()
    os.chdir(work)  # It writes its logs and workspaces into the current folder.
    made = _quantized(model.path, model.signature, task.rows, work / "main")
    further = {}
    for name, signature in model.signature.methods.items():
        take_out(model.path, name, work / "source")
        further[name] = _quantized(work / "source", signature, task.rows, work / name)
        shutil.rmtree(work / "source")
    join(made, further)
    count = sum("Quantized" in node.op for node in made.meta_graphs[0].graph_def.node)
    if not count:
        raise Unsupported("neural-compressor found no operation of the graph that TensorFlow computes in int8")
    shutil.move(work / "main" / "variables", output / "variables")
    (output / "saved_model.pb").write_bytes(made.SerializeToString(deterministic=True))
    shutil.rmtree(work)
    batches = whole_batches(model.signature, task.rows, BATCH)
    rows = f"{len(batches)} batches of {batches.size}"
    return Made(f"neural-compressor static int8, calibrated on {rows}, {count} integer operators")


def _quantized(folder: Path, signature: Signature, rows: Rows, work: Path) -> Any:
    """The message `SavedModel` of the main signature, with weights as constants: neural-compressor reads no other."""
    from neural_compressor.tensorflow import StaticQuantConfig, quantize_model
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    loader = _Loader(_places(folder, signature), whole_batches(signature, rows, BATCH))
    with _garbage_collected():
        quantized = quantize_model(str(folder), StaticQuantConfig(), loader, calib_iteration=len(loader))
        quantized.save(str(work))
    model = SavedModel()
    model.ParseFromString((work / "saved_model.pb").read_bytes())
    _name_outputs(model.meta_graphs[0].signature_def[SIGNATURE].outputs, signature)
    return model


@contextmanager
def _garbage_collected() -> Iterator[None]:
    """Again and again: neural-compressor leaves a copy of the graph after every rewrite, in a few objects that refer to
    each other, and Python counts objects, not bytes. ResNet-50, 0.1 GB, took 5.1 GB without and takes 3.0 with it."""
    gc.collect()
    gc.freeze()  # What stands already is not gone through each time.
    ended = threading.Event()

    def collect() -> None:
        while not ended.wait(COLLECTED_EVERY_S):
            gc.collect()

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        gc.unfreeze()


def _places(folder: Path, signature: Signature) -> dict[str, str]:
    """What neural-compressor calls each input. It pairs what is given by order else, and its order is its own."""
    from optimize.sources.saved_model import serving_graph

    graph = serving_graph(folder)
    if graph.object_graph_def.nodes:
        return {name: name for name in signature.input_names}
    given = graph.signature_def[SIGNATURE].inputs  # TensorFlow 1: a placeholder, whatever its name.
    return {name: given[name].name.partition(":")[0] for name in signature.input_names}


class _Loader:
    """Batches as neural-compressor asks for them: (inputs, labels), with `batch_size`."""

    def __init__(self, places: Mapping[str, str], batches: Batches) -> None:
        self._places, self._batches = places, batches
        self.batch_size = batches.size

    def __iter__(self) -> Iterator[tuple[Any, int]]:
        for batch in self._batches:
            inputs = {place: batch[name] for name, place in self._places.items()}
            yield (inputs if len(inputs) > 1 else inputs.popitem()[1]), 0

    def __len__(self) -> int:
        return len(self._batches)


def _name_outputs(outputs: Any, signature: Signature) -> None:
    """neural-compressor names outputs after graph nodes: Identity, Identity_1 ... in the order of the sorted names."""
    found = sorted(outputs, key=lambda name: int(name.partition("_")[2] or 0))
    names = sorted(signature.output_names)
    if len(found) != len(names):
        raise Unsupported(f"neural-compressor kept the outputs {found} of {names}")
    renamed = {
        new: type(outputs[old]).FromString(outputs[old].SerializeToString())
        for old, new in zip(found, names, strict=True)
    }
    for old in found:
        del outputs[old]
    for new, info in renamed.items():
        outputs[new].CopyFrom(info)
