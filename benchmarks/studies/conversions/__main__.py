"""What conversions cost: `python -m optimize.benchmarks.studies.conversions [PART ...]`, all parts if none is named.

memory  peak of every step over the model's bytes, for a model of 1 GB of each kind
time    of a step over the bare library call, in pairs of processes, one after the other
speed   a SavedModel made by the interpreter over Keras's own export of the same architecture, called in turn
onnx    peak of taking in an ONNX file of 2.2 GB over its size, and of optimizing it

`--only` names cases of the first three. Peaks and seconds of steps are those that the store has recorded. What this
writes, up to 8 GB, it removes again, unless `--folder` says where it is to stay: another run there makes nothing anew.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from optimize.benchmarks.studies.conversions import large_onnx, memory, speed, timing

PARTS = {"memory": memory.study, "time": timing.study, "speed": speed.study, "onnx": large_onnx.study}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--only", nargs="+", default=(), metavar="CASE")
    parser.add_argument("--pairs", type=int, default=3, help="of processes, for each time (3)")
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    for name in asked.parts or PARTS:
        carry_out(name, asked.only, asked.pairs, asked.folder)


def carry_out(part: str, only: Sequence[str], pairs: int, folder: Path | None) -> None:
    if folder:
        PARTS[part](folder.resolve() / part, only, pairs)
        return
    with tempfile.TemporaryDirectory() as place:
        PARTS[part](Path(place), only, pairs)


if __name__ == "__main__":
    main()
