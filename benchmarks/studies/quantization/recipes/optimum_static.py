"""Optimum: ORTQuantizer with the static preset for AVX-512 VNNI, calibrated by min-max."""

from common import Job, read_job


def main(job: Job) -> None:
    from onnxruntime.quantization import CalibrationMethod
    from optimum.onnxruntime import ORTQuantizer
    from optimum.onnxruntime.configuration import AutoQuantizationConfig, CalibrationConfig

    assert job.onnx is not None
    preset = AutoQuantizationConfig.avx512_vnni(is_static=True, per_channel=True)
    quantizer = ORTQuantizer.from_pretrained(job.onnx.parent, file_name=job.onnx.name)
    samples = [{name: array[0] for name, array in sample.items()} for sample in job.samples()]
    calibration = CalibrationConfig("rows", "", "", len(samples), CalibrationMethod.MinMax)
    ranges = quantizer.fit(
        samples, calibration, job.output / "augmented.onnx", operators_to_quantize=preset.operators_to_quantize
    )
    quantizer.quantize(preset, job.output, calibration_tensors_range=ranges)
    (job.output / "augmented.onnx").unlink()
    (job.output / "model_quantized.onnx").rename(job.output / "model.onnx")


if __name__ == "__main__":
    main(read_job())
