"""An exported program to a package of AOTInductor's: compiled for this machine's processor, named dimensions kept."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
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
    from torch._inductor.utils import fresh_cache

    _check_compiler()
    if program.example_inputs is None:
        raise Unsupported(
            "AOTInductor compiles with example inputs, and this exported program has none; save it with those that "
            "torch.export.export was given"
        )
    # The compiler leaves its own files in a cache that all processes share; this one goes when it is done.
    with tempfile.TemporaryDirectory() as folder, fresh_cache(dir=folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            files = _compile(program, freezing)
        except Exception as error:
            # Whatever one of the compiler's passes, or an operator's decomposition, raises about this graph.
            raise Unsupported(f"AOTInductor cannot compile this model: {_reason(error)}") from error
        _pack(files, package)
    return _machine(package)


def _compile(program: Any, freezing: bool) -> Sequence[str]:
    """The files of a package. Weights go behind the library's code in its file, as torch does with more than 2 GB of
    them: written into its data section they are held once more in memory."""
    import torch

    options = {"aot_inductor.package": True, "aot_inductor.force_mmap_weights": True, "freezing": freezing}
    arguments, named = program.example_inputs
    with torch.no_grad():
        files: Sequence[str] = torch._inductor.aot_compile(
            program.module(check_guards=False), arguments, named, options=options
        )
    return files


def _pack(files: Sequence[str], package: Path) -> None:
    """As torch's `package_aoti` does, which holds a file twice in memory: the library, with the weights, is mapped."""
    import torch
    from torch.export.pt2_archive import constants
    from torch.export.pt2_archive._package import PT2ArchiveWriter

    with PT2ArchiveWriter(str(package)) as archive:
        for file in map(Path, files):
            custom = file.name.startswith(constants.CUSTOM_OBJ_FILENAME_PREFIX)
            place = f"{constants.CONSTANTS_DIR if custom else f'{constants.AOTINDUCTOR_DIR}model/'}{file.name}"
            if file.suffix == ".so":
                size = file.stat().st_size
                mapped = torch.UntypedStorage.from_file(str(file), False, size)
                archive.archive_file.write_record(place, mapped, size)
            else:
                archive.write_file(place, str(file))


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
