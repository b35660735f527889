"""SavedModels with large weights to LiteRT, of which the converter sees small stand-ins.

The weights are not loaded: each is read from the SavedModel's checkpoint when it is written. What TensorFlow has let go
stays in its process.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from optimize.converters import tensorflow_weights
from optimize.converters.saved_model_to_litert.file import put_back
from optimize.converters.saved_model_to_litert.weights import Small, shrink

WORTH_BYTES = 50_000_000
"""Of large weights, together: fewer go through the converter, which takes less time than to go around it."""
MOST_TIMES = 3
"""That a model is converted: each time with those weights themselves whose stand-ins the last one did not keep."""
CHECKPOINT = Path("variables", "variables")


def is_worth_it(folder: Path) -> bool:
    """Whether a SavedModel has so many weights that may be products' or look-ups'. Kernels of convolutions have more
    axes, and go through the converter."""
    import tensorflow as tf

    if not (folder / CHECKPOINT).with_suffix(".index").is_file():
        return False
    shapes = tf.train.load_checkpoint(str(folder / CHECKPOINT)).get_variable_to_shape_map().values()
    sizes = [4 * math.prod(shape) for shape in shapes if len(shape) in (2, 3)]
    large = sum(size for size in sizes if size >= tensorflow_weights.LARGE_BYTES)
    return bool(large >= WORTH_BYTES)


def write(folder: Path, signature: str, path: Path, convert: Callable[[str], bytes | None]) -> bool:
    """Write the model of the SavedModel's signature. False where no weight is large, or where the converter needs them
    all. `convert` takes the folder of a smaller SavedModel, and gives None where it refuses that."""
    import tensorflow as tf

    unread = tf.saved_model.LoadOptions(experimental_skip_checkpoint=True)
    loaded = tf.saved_model.load(str(folder), options=unread)
    concrete = loaded.signatures[signature]
    checkpoint = _Checkpoint(folder, loaded)
    if not checkpoint.has_all(concrete):
        return False
    specs, names = concrete.structured_input_signature[1], list(concrete.structured_outputs)

    def flat(*tensors: Any) -> list[Any]:
        outputs = concrete(**dict(zip(specs, tensors, strict=True)))
        return [tf.identity(outputs[name]) for name in names]

    traced = tf.function(flat, list(specs.values()), autograph=False).get_concrete_function()
    refused: list[Any] = []
    for _ in range(MOST_TIMES):
        small = shrink(traced, refused)
        if small is None:
            return False
        for variable in small.kept:
            variable.assign(checkpoint.read(variable))
        content = _converted(small, specs, names, signature, convert)
        if content is None:
            return False
        found = put_back(content, small.stand_ins, checkpoint.read, path)
        if not found:
            return True
        refused += found
    return False


def _converted(small: Small, specs: Any, names: list[str], signature: str, convert: Any) -> bytes | None:
    import tensorflow as tf

    def named(*tensors: Any) -> dict[str, Any]:
        return dict(zip(names, small.function(*tensors), strict=True))

    module = tf.Module()
    module.kept = small.kept  # What is not reachable from the module is not saved.
    function = tf.function(named, list(specs.values()), autograph=False)
    with TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, {signature: function})
        content: bytes | None = convert(folder)
    return content


class _Checkpoint:
    """The values of a loaded SavedModel's variables."""

    def __init__(self, folder: Path, loaded: Any) -> None:
        import tensorflow as tf

        self._reader = tf.train.load_checkpoint(str(folder / CHECKPOINT))
        self._keys = {id(variable.handle): key for variable, key in _saved(self._reader, loaded)}

    def has_all(self, concrete: Any) -> bool:
        """Whether all that the function captures is variables that are here; tables are not."""
        resources = [outer for outer, _ in concrete.graph.captures if outer.dtype.name in ("resource", "variant")]
        return all(id(outer) in self._keys for outer in resources)

    def read(self, variable: Any) -> Any:
        return self._reader.get_tensor(self._keys[id(variable.handle)])


def _saved(reader: Any, loaded: Any) -> Iterator[tuple[Any, str]]:
    """The variables that can be reached from what is loaded, as they could when it was saved, and their keys."""
    from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

    nodes = TrackableObjectGraph.FromString(reader.get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH")).nodes
    reached, waiting = {0: loaded}, [0]
    while waiting:
        number = waiting.pop()
        for child in nodes[number].children:
            found = reached[number]._lookup_dependency(child.local_name)
            if found is not None and child.node_id not in reached:
                reached[child.node_id] = found
                waiting.append(child.node_id)
    for number, one in reached.items():
        keys = [attribute.checkpoint_key for attribute in nodes[number].attributes]
        if hasattr(one, "handle") and len(keys) == 1:
            yield one, keys[0]
