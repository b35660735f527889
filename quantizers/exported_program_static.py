"""Static int8 of an exported program: the graph with quantize/dequantize pairs, for a compiler to fuse.

Run operator by operator it is slower than float, and larger: it is what AOTInductor, or another compiler, starts from.
"""

from __future__ import annotations

from pathlib import Path

from optimize.artifact import Artifact, Made
from optimize.methods import Method, Task
from optimize.quantizers.pt2e import Options, quantized_program

reads = "pytorch"
makes = "exported_program"
method = Method("static", precision="int8", calibrated=True, options=Options, targeted=True)
libraries = ("torch", "torchao")
FILE = "model.pt2"


def quantize(model: Artifact, task: Task, output: Path) -> Made:
    import torch

    exported, count = quantized_program(model, task)
    torch.export.save(exported.program, output / FILE)
    remark = f"{count} activations pass through integers and back, unfused until a compiler takes the graph"
    return Made(f"PT2E for x86, calibrated on {len(task.rows)} rows", (*exported.notes, remark))
