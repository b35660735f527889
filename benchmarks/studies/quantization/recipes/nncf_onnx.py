"""NNCF on ONNX: `nncf.quantize` of the exported graph."""

from common import Job, read_job


def main(job: Job) -> None:
    import nncf
    import onnx

    assert job.onnx is not None
    quantized = nncf.quantize(
        onnx.load(job.onnx), nncf.Dataset(job.samples()),
        model_type=nncf.ModelType.TRANSFORMER if job.transformer else None,
    )  # fmt: skip
    onnx.save(quantized, job.output / "model.onnx")


if __name__ == "__main__":
    main(read_job())
