"""Weights of a PyTorch model: read without executing anything, mapped into memory rather than copied, and fitted.

Kinds of files: `.safetensors`; `.pt`, `.pth`, `.bin` as `torch.save` writes them; and the index of a sharded checkpoint
(`*.index.json`), whose `weight_map` names the shard of every tensor, as Hugging Face writes it.
"""

from __future__ import annotations

import ctypes
import gc
import json
import mmap
import pickle
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optimize.errors import UserError
from optimize.sources.modules import first_line

KEY = "source.weights"
INDEX = ".index.json"
AGAIN = "copy it again, or save model.state_dict() again"


def shards(path: Path) -> tuple[Path, ...]:
    """The files that `path` stands for, itself first. Raises UserError for an index that is not one, or that names a
    file which is not there."""
    if not path.name.endswith(INDEX):
        return (path,)
    try:
        names = json.loads(path.read_text(encoding="utf-8"))["weight_map"].values()
        files = tuple(path.parent / name for name in sorted(set(names)))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise UserError(
            f"{path} is not the index of a sharded checkpoint: it has no weight_map of tensors to files; copy it again",
            KEY,
        ) from error
    for file in files:
        if not file.is_file():
            raise UserError(
                f"{path.name} names {file.name}, and there is no such file beside it; copy all of the shards", KEY
            )
    return (path, *files)


def read_weights(path: Path, key: str | None, trust: bool) -> Any:
    """The state_dict in a file, or with `trust` whatever module was pickled.

    `key` is where the state_dict stands in a training checkpoint.
    """
    files = shards(path)[1:] if path.name.endswith(INDEX) else (path,)
    found = [_read_file(file, trust) for file in files]
    whole = found[0] if len(found) == 1 else {name: tensor for part in found for name, tensor in part.items()}
    return _state_dict(path, whole, key)


def _read_file(path: Path, trust: bool) -> Any:
    return _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path, trust)


def _read_safetensors(path: Path) -> Mapping[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)  # type: ignore[no-any-return]
    except SafetensorError as error:
        raise UserError(f"{path} is not a whole safetensors file: {error}; {AGAIN}", KEY) from error


def _read_pickle(path: Path, trust: bool) -> Any:
    import torch

    # Files from before PyTorch 1.6 are no archives, and cannot be mapped.
    archive = torch.serialization._is_zipfile(path.open("rb"))
    try:
        return torch.load(path, map_location="cpu", weights_only=not trust, mmap=archive)
    except pickle.UnpicklingError as error:
        raise UserError(_pickle_message(path, error), KEY) from error
    except (RuntimeError, EOFError, OSError, ValueError, LookupError) as error:
        raise UserError(f"{path} cannot be read as weights: {first_line(error)}; {AGAIN}", KEY) from error
    except (AttributeError, ImportError) as error:
        raise UserError(
            f"{path} is a pickled module, and its class is not to be found: {first_line(error)}; the file that defines "
            f"it must lie beside the pipeline file, or be installed",
            KEY,
        ) from error


def _pickle_message(path: Path, error: Exception) -> str:
    import torch

    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, IndexError):
        return f"{path} cannot be read as weights: {first_line(error)}; {AGAIN}"
    executed = ", ".join(names) or "code of its own"
    return (
        f"{path} is a pickle: opening it would execute {executed}. Save the state_dict as safetensors, "
        f"or, if you made this file yourself, put `trust: true` under `source`"
    )


def _state_dict(path: Path, found: Any, key: str | None) -> Any:
    import torch

    if isinstance(found, torch.nn.Module):
        return found
    if not isinstance(found, Mapping):
        raise UserError(
            f"{path} holds a {type(found).__name__}, not a state_dict; save model.state_dict() instead", KEY
        )
    if key is not None:
        return _under(path, found, key)
    if "param_groups" in found:
        raise UserError(f"{path} is the state of an optimizer, not of a model; save model.state_dict() instead", KEY)
    inner = [name for name, value in found.items() if isinstance(value, Mapping)]
    if inner:
        raise UserError(
            f"{path} is a training checkpoint, with {_listed(inner)} in it; say under which key the model's state_dict "
            f"stands: `weights_key: {_likely(inner)}`",
            KEY,
        )
    return found


def _under(path: Path, found: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    state = found.get(key)
    if not isinstance(state, Mapping):
        raise UserError(f"{path} has no state_dict under {key!r}; it has {_listed(list(found))}", "source.weights_key")
    return state


def _likely(names: list[str]) -> str:
    return next((name for name in names if "model" in name or name == "state_dict"), names[0])


def fit(module: Any, state: Mapping[str, Any], what: str, path: str) -> None:
    """Put the tensors of `state` in the place of the module's own, at the module's dtypes.

    They are not copied, so that the file stays mapped and the module's first weights are let go; except where they lie
    unaligned, for which kernels round otherwise (safetensors; torch.save aligns to 64 bytes), and where the module
    holds views of its weights elsewhere, which would go on showing the first ones. Of safetensors, each of which lies
    alone in its file, pages are let go as they are copied: either way memory holds the weights once. Names that share
    one parameter (tied weights) still share it afterwards, and one of them is enough in the file. `path` is the file,
    and `what` begins the message of the UserError where keys or shapes are not exactly the module's.
    """
    views = _has_views(module)
    own = module.state_dict()
    ties = _ties(module)
    state = {**state, **{name: state[twin] for name, twin in ties.items() if name not in state and twin in state}}
    _check_keys(own, state, what)
    _check_shapes(own, state, what)
    if _aligned(state) and not views:
        module.load_state_dict({name: tensor.to(own[name].dtype) for name, tensor in state.items()}, assign=True)
    else:
        _copy(state, own, mapped="safetensors" in path)
    for name, twin in ties.items():
        owner, _, attribute = name.rpartition(".")
        setattr(module.get_submodule(owner), attribute, module.get_parameter(twin))


def _copy(state: Mapping[str, Any], own: Mapping[str, Any], mapped: bool) -> None:
    import torch

    done: set[tuple[int, int]] = set()
    with torch.no_grad():
        for name, tensor in state.items():
            pair = (tensor.data_ptr(), own[name].data_ptr())
            if pair not in done:  # Of tied weights the other name.
                own[name].copy_(tensor)
                if mapped:
                    _let_go(tensor)
            done.add(pair)


def _let_go(tensor: Any) -> None:
    """The whole pages that the tensor lies in, which are those of a mapped file, and can be read again."""
    if sys.platform == "linux":
        MADV_DONTNEED = 4
        start = -(-tensor.data_ptr() // mmap.PAGESIZE) * mmap.PAGESIZE
        end = (tensor.data_ptr() + tensor.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE
        if end > start:
            ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_DONTNEED)


def _aligned(state: Mapping[str, Any]) -> bool:
    return all(tensor.data_ptr() % 64 == 0 for tensor in state.values())


def _has_views(module: Any) -> bool:
    """Whether any other tensor shares the memory of the module's own: `self.head = self.embedding.weight.t()`."""
    import torch

    own = [*module.parameters(), *module.buffers()]
    places = {t.untyped_storage().data_ptr() for t in own if t.numel()}
    ids = {id(t) for t in own}
    return any(
        type(found) in (torch.Tensor, torch.nn.Parameter)  # not the memoryless kinds that an earlier export left behind
        and id(found) not in ids
        and found.layout is torch.strided
        and not found.is_meta
        and found.untyped_storage().data_ptr() in places
        for found in gc.get_objects()
    )


def _ties(module: Any) -> dict[str, str]:
    """Name to another name of the same parameter, and the other way round for the first."""
    names: dict[int, str] = {}
    ties: dict[str, str] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        first = names.setdefault(id(parameter), name)
        if first != name:
            ties[name] = first
            ties.setdefault(first, name)
    return ties


def _check_keys(own: Mapping[str, Any], state: Mapping[str, Any], what: str) -> None:
    sides = (("missing", own.keys() - state.keys()), ("unexpected", state.keys() - own.keys()))
    detail = "; ".join(f"{word}: {_listed(sorted(keys))}" for word, keys in sides if keys)
    if detail:
        raise UserError(f"{what}: {detail}", KEY)


def _check_shapes(own: Mapping[str, Any], state: Mapping[str, Any], what: str) -> None:
    wrong = [
        f"{name}: {list(state[name].shape)} for {list(own[name].shape)}"
        for name in own
        if state[name].shape != own[name].shape
    ]
    if wrong:
        raise UserError(f"{what}: of another shape: {_listed(wrong)}", KEY)


def _listed(values: list[str], most: int = 5) -> str:
    return ", ".join(values[:most]) + (f" and {len(values) - most} more" if len(values) > most else "")
