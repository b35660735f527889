"""The ONNX file the peers start from: `optimum-cli export onnx` for a Hugging Face folder, `torch.onnx.export` else."""

from common import Job, read_job


def main(job: Job) -> None:
    if job.kind == "huggingface":
        from optimum.exporters.onnx import main_export

        main_export(
            str(job.model / "model"), str(job.output), task=job.task, library_name="transformers", local_files_only=True
        )
        return
    import torch

    axes = {name: {0: "batch", **({1: "sequence"} if job.rows()[name].ndim == 2 else {})} for name in job.inputs}
    # The newer exporter has no LSTM with a sequence of any length.
    torch.onnx.export(
        job.module(), job.tensors(), job.output / "model.onnx", input_names=list(job.inputs),
        output_names=list(job.outputs), dynamic_axes=axes | {name: {0: "batch"} for name in job.outputs}, dynamo=False,
    )  # fmt: skip


if __name__ == "__main__":
    main(read_job())
