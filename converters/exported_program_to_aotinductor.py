"""An exported program to a package of AOTInductor's: compiled for this machine's processor, named dimensions kept."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made
from optimize.errors import Unsupported

reads = "exported_program"
makes = "aotinductor"
libraries = ("torch",)
FILE = "model.pt2"


def convert(model: Artifact, examples: Arrays, output: Path) -> Made:
    import torch

    program = _without_mutation(torch.export.load(model.path / FILE))
    return Made("AOTInductor", (compile_program(program, output / FILE),))


def _without_mutation(program: Any) -> Any:
    """Layers that compute in place, as Keras's batch normalization does, are no graph that the compiler takes."""
    schemas = [getattr(node.target, "_schema", None) for node in program.graph.nodes]
    return program.run_decompositions({}) if any(one and one.is_mutable for one in schemas) else program


def compile_program(program: Any, package: Path, freezing: bool = False) -> str:
    """Writes the package, and says which processors run it. `freezing` lays constant weights out for the kernels, which
    integer kernels need."""
    import torch
    from torch._inductor.utils import fresh_cache

    _check_compiler()
    # The compiler leaves its own files in a cache that all processes share; this one goes when it is done.
    with tempfile.TemporaryDirectory() as folder, fresh_cache(dir=folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with torch.no_grad(), torch._inductor.config.patch(freezing=freezing):
                torch._inductor.aoti_compile_and_package(program, package_path=str(package))
        except Exception as error:
            # Whatever one of the compiler's passes, or an operator's decomposition, raises about this graph.
            raise Unsupported(f"AOTInductor cannot compile this model: {_reason(error)}") from error
    return _machine(package)


def _check_compiler() -> None:
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler as error:
        raise Unsupported(
            "AOTInductor compiles C++, and no compiler is on the PATH; install one (apt-get install g++, or dnf "
            "install gcc-c++), and run again"
        ) from error


def _machine(package: Path) -> str:
    import torch

    said = torch._C._aoti.AOTIModelPackageLoader.load_metadata_from_package(str(package), "model")
    machine, instructions = said["AOTI_MACHINE"], said["AOTI_CPU_ISA"]
    return f"machine code for {machine} with {instructions}: it runs on no processor that lacks it"


def _reason(error: Any) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300] if lines else ''}"
