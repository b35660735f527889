"""NNCF on OpenVINO: `openvino.convert_model` of the PyTorch module, then `nncf.quantize`."""

from common import Job, read_job


def main(job: Job) -> None:
    import nncf
    import openvino

    rows = job.rows()
    converted = openvino.convert_model(
        job.module(), example_input=job.tensors(), input=[(-1, *_free(rows[name])) for name in job.inputs]
    )
    for port, name in zip(converted.inputs, job.inputs, strict=True):
        port.get_tensor().set_names({name})
    converted.outputs[0].get_tensor().set_names({job.outputs[0]})
    quantized = nncf.quantize(
        converted, nncf.Dataset(job.samples()), model_type=nncf.ModelType.TRANSFORMER if job.transformer else None
    )
    openvino.save_model(quantized, job.output / "model.xml", compress_to_fp16=False)


def _free(array):  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Sequences of any length; images of their own size."""
    return (-1,) if array.ndim == 2 else array.shape[1:]


if __name__ == "__main__":
    main(read_job())
