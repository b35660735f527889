"""An image that cannot read a candidate is refused, with one that can."""

from __future__ import annotations

import re

import pytest

from optimize.bundles.images import Content, find_image, image_note, known_images, refusal, remark
from optimize.errors import UserError
from optimize.stages import bundles

URI = "763104351884.dkr.ecr.eu-central-1.amazonaws.com/pytorch-inference:2.6.0-cpu-py312-ubuntu22.04-sagemaker"


def test_every_row_is_of_a_container_there_is_and_names_its_source() -> None:
    for image in known_images():
        assert image.container in bundles()
        assert image.source in ("sdk", "sdk-3.27")


def test_an_image_is_found_by_its_uri_and_by_its_short_name() -> None:
    image = find_image(URI)
    assert image is not None
    assert image == find_image("pytorch-inference:2.6.0")
    assert (image.framework, image.python, image.architecture) == ("2.6.0", "3.12", "x86_64")


def test_an_image_of_the_users_own_is_not_judged() -> None:
    assert find_image("123456789012.dkr.ecr.eu-central-1.amazonaws.com/mine:7") is None


def test_a_version_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(UserError, match=r"pytorch-inference is known in versions 2\.0\.0, .*, and not in 2\.13\.0"):
        find_image("pytorch-inference:2.13.0")


@pytest.mark.parametrize(
    ("image", "format", "quantization", "says"),
    [
        ("pytorch-inference-graviton:2.4.0", "torchscript", "static", "packed for x86 .*newest that can is pytorch-inference:2.6.0"),
        ("pytorch-inference:2.6.0", "saved_model", "none", "reads torchscript, .*, litert; the newest that can is tensorflow-inf"),
        ("tensorflow-inference:2.19.0", "onnx", "none", "it reads saved_model; the newest that can is pytorch-inference:2.6.0"),
        ("pytorch-inference:2.1.0", "onnx", "none", "takes Python >=3.11, and the image has 3.10; the newest that can is"),
    ],
)  # fmt: skip
def test_a_candidate_the_image_cannot_read_is_refused(image: str, format: str, quantization: str, says: str) -> None:
    found = find_image(image)
    assert found is not None
    assert re.search(says, why := refusal(found, Content(format, quantization))), why


def test_without_an_image_it_is_said_which_one_the_bundle_wants() -> None:
    assert "an image of your own with onnxruntime " in image_note("multi-model-server", "onnx")
    assert "bundle: {image: pytorch-inference:2.6.0}" in image_note("multi-model-server", "onnx")
    assert "AWS's newest image in the matrix, pytorch-inference:2.6.0, has 2.6.0" in image_note(
        "pytorch", "aotinductor"
    )
    assert image_note("pytorch", "onnx") == ""
    assert image_note("triton", "onnx") == ""


def test_what_it_can_read_is_not_refused_and_what_nobody_promises_is_remarked() -> None:
    found = find_image(URI)
    assert found is not None
    assert refusal(found, Content("onnx", "static")) == ""
    assert refusal(found, Content("torchscript", "static")) == ""
    assert "does not promise to read what a newer one wrote" in remark(found, "torchscript")
    assert remark(found, "onnx") == ""
