"""int8 candidates once more under the target's instruction sets: what is right here can be wrong there.

Without VNNI, x86 kernels add pairs of u8 x s8 products in 16 bits, and saturate. PyTorch's, TensorFlow's and OpenVINO's
kernels heed switches that leave VNNI out. ONNX Runtime's and LiteRT's have none: there the check is run by an emulator
of a processor without it, where one is installed. Either says something of numbers alone, and nothing of time.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import optimize
from optimize.arrays import Arrays
from optimize.drift import DriftMeter
from optimize.errors import Unsupported
from optimize.execution.request import Request
from optimize.golden import Golden
from optimize.stages import RuntimeSettings

EMULATOR = "qemu-x86_64"
PROCESSOR = "Haswell"
"""AVX2 and no more: the instruction sets that every x86 type of the catalogue has."""
INNER_LIMIT_S = 1500.0


def emulator() -> str | None:
    return shutil.which(EMULATOR)


def check_on_target(request: Request, output: Path) -> dict[str, Any]:
    """Drift of the golden's cases; `how` says under what. Raises Unsupported where that cannot be had here."""
    if request.parameters["only_integers"] and not _computes_in_integers(request.model.path):
        return {"float": True}
    if request.parameters["emulate"]:
        return _emulated(request, output) | {"how": f"{EMULATOR} -cpu {PROCESSOR}"}
    environment: Mapping[str, str] = request.parameters["environment"]
    os.environ.update(environment)  # Nothing has imported a library that reads them yet.
    return _drift(request) | {"how": " ".join(f"{key}={value}" for key, value in environment.items())}


def _computes_in_integers(folder: Path) -> bool:
    """Of an ONNX artifact: whether anything is quantized in it."""
    import onnx

    from optimize.quantizers.onnx_tools.graph import FILE
    from optimize.quantizers.onnx_tools.remarks import is_integer

    nodes = onnx.load(folder / FILE, load_external_data=False).graph.node
    return any(is_integer(node.op_type) or node.op_type == "QuantizeLinear" for node in nodes)


def _drift(request: Request) -> dict[str, Any]:
    from optimize.execution.steps import open_session

    settings = RuntimeSettings.told(request.parameters["settings"], request.parameters["threads"])
    session = open_session(request.module, request.model, settings)
    meter = DriftMeter()
    for words, inputs, expected in Golden(Path(request.golden)).cases():
        meter.add(expected, _run(session, inputs), words)
    return {"drift": meter.figures(), "problems": meter.problems}


def _run(session: Any, inputs: Arrays) -> Arrays:
    answers: Arrays = session.run(inputs)
    return answers


def _emulated(request: Request, output: Path) -> dict[str, Any]:
    """The same in an emulated process. The interpreter is the real one, since a link in a virtual environment finds
    its packages by a name that the emulator does not pass on."""
    found = emulator()
    if found is None:
        raise Unsupported(f"{EMULATOR} is not installed (Debian: apt-get install qemu-user)")
    inner = output / "emulated.json"
    asked = replace(request, parameters={**request.parameters, "emulate": False, "environment": {}})
    inner.write_text(json.dumps(asdict(asked)), encoding="utf-8")
    answer = output / "answer.json"
    # An editable installation is found by a hook, which the bare interpreter does not have.
    paths = [str(Path(optimize.__file__).parents[1]), *(path for path in sys.path if path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [found, "-cpu", PROCESSOR, str(Path(sys.executable).resolve()), "-m", __name__, str(inner), str(answer)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=INNER_LIMIT_S, check=False
    )  # fmt: skip
    if done.returncode != 0 or not answer.is_file():
        lines = done.stderr.strip().splitlines()
        raise RuntimeError(f"{EMULATOR} ended with status {done.returncode}: {lines[-1] if lines else 'no message'}")
    result: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    return result


def main(request_path: str, answer_path: str) -> None:
    found = _drift(Request.read(Path(request_path)))
    Path(answer_path).write_text(json.dumps(found, allow_nan=False), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:3])
