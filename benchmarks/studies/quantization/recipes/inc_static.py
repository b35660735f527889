"""Intel Neural Compressor 3: static int8 of the PyTorch module (export, prepare, calibrate, convert), then compiled.

Its documentation ends with `torch.compile`, which leaves no file. The same compiler's AOTInductor makes one.
"""

from __future__ import annotations

from common import Job, read_job


def main(job: Job) -> None:
    import torch
    from neural_compressor.torch.export import export
    from neural_compressor.torch.quantization import convert, get_default_static_config, prepare

    # The batch is free, as in its documentation; a recurrent layer does not export with a sequence that is free too.
    batch = torch.export.Dim("batch", max=1024)
    shapes = tuple({0: batch} for _ in job.inputs)
    module = job.module()
    if getattr(getattr(module, "model", None), "pooler", None) is not None and job.task == "feature-extraction":
        module.model.pooler = None  # Unused here, and torchao's quantizer stumbles over what nothing reads.
    exported = export(module, job.tensors(), dynamic_shapes=(shapes,) if job.kind == "huggingface" else shapes)
    prepared = prepare(exported, get_default_static_config())
    for sample in job.samples():
        prepared(*(torch.from_numpy(sample[name]) for name in job.inputs))
    converted = convert(prepared)
    torch._inductor.config.freezing = True
    with torch.no_grad():
        program = torch.export.export(converted, job.tensors(), dynamic_shapes=shapes)
        torch._inductor.aoti_compile_and_package(program, package_path=str(job.output / "model.pt2"))


if __name__ == "__main__":
    main(read_job())
