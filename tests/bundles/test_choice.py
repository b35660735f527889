"""What could not be served as the file asks is refused when the plan is made, with the way out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from optimize.benchmarks.targets import find_target
from optimize.bundles.choice import check_section, containers_for, why_not_bundled
from optimize.bundles.images import Content
from optimize.errors import UserError
from optimize.pipeline.schema import Bundle as Section
from optimize.plan import make_plan
from optimize.runtimes import TABLE
from optimize.stages import runtimes
from tests.conftest import Project


@pytest.mark.parametrize("format", [runtime.reads for runtime in runtimes().values()])
def test_every_format_there_is_has_a_container_by_default(format: str) -> None:
    assert len(TABLE) == len(runtimes())
    assert len(containers_for(Section(), format)) == 1
    assert why_not_bundled(Section(), find_target("local"), Content(format, "none")) == ""


@pytest.mark.parametrize(
    ("section", "format", "container"),
    [
        ({}, "onnx", "multi-model-server"),
        ({}, "torchscript", "pytorch"),
        ({}, "saved_model", "tensorflow"),
        ({}, "aotinductor", "pytorch"),
        ({"image": "pytorch-inference:2.6.0"}, "onnx", "pytorch"),
        ({"image": "sagemaker-tritonserver:26.05"}, "openvino", "triton"),
        ({"image": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/mine:7"}, "litert", "multi-model-server"),
        ({"multi_model": True}, "onnx", "multi-model-server"),
        ({"code": "hooks.py"}, "onnx", "multi-model-server"),
    ],
)
def test_auto_is_the_leanest_that_serves_it_as_it_is_wanted(
    section: dict[str, Any], format: str, container: str
) -> None:
    assert containers_for(Section(**section), format) == (container,)


@pytest.mark.parametrize(
    ("section", "target", "content", "says"),
    [
        ({"container": "tensorflow"}, "local", Content("onnx", "none"),
         "the tensorflow container cannot serve onnx; bundle.container may also be auto, multi-model-server, pytorch"),
        ({"container": ["pytorch", "triton"]}, "local", Content("litert", "none"), "the triton container cannot serve"),
        ({"code": "hooks.py"}, "local", Content("saved_model", "none"), "the tensorflow container runs no hooks"),
        ({"image": "pytorch-inference:2.6.0"}, "local", Content("saved_model", "none"),
         "pytorch-inference:2.6.0 is an image of the pytorch container"),
        ({"image": "pytorch-inference:2.1.0"}, "local", Content("onnx", "none"), "the newest that can is pytorch-inference:2.6.0"),
        ({"image": "pytorch-inference:2.6.0"}, "local", Content("aotinductor", "none"),
         r"torch 2\.\d+\.\d\S* made it for that release and later ones, and the image has 2.6.0; no image in the matrix can"),
        ({"image": "sagemaker-tritonserver:23.12"}, "local", Content("onnx", "none", 20),
         "its onnxruntime 1.16.3 reads opset 19 at most; the model is of 20; the newest that can is "
         "sagemaker-tritonserver:26.05"),
        ({"image": "sagemaker-tritonserver:24.03"}, "local", Content("onnx", "none", 20, 10), "reads IR version 9 at most"),
        ({"image": "sagemaker-tritonserver:25.09"}, "local", Content("saved_model", "none"),
         "the newest that can is sagemaker-tritonserver:24.09"),
        ({}, "ml.c7g.large", Content("torchscript", "static"), "packed for x86 .FBGEMM., and ml.c7g.large has aarch64; take ONNX"),
        ({}, "ml.c7g.large", Content("aotinductor", "none"), "AOTInductor compiles for this machine .x86_64."),
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_refused_with_the_way_out(
    section: dict[str, Any], target: str, content: Content, says: str
) -> None:
    assert re.search(says, why := why_not_bundled(Section(**section), find_target(target), content)), why


@pytest.mark.parametrize(
    ("section", "target", "says"),
    [
        ({"container": "pytroch"}, "local", "'pytroch' is not a container; write auto or some of multi-model-server"),
        ({"container": ["auto", "pytorch"]}, "local", "auto stands beside other containers"),
        ({"container": "triton", "image": "pytorch-inference:2.6.0"}, "local", "is an image of the pytorch container"),
        ({"image": "pytorch-inference:2.13.0"}, "local", "is known in versions"),
        ({"image": "pytorch-inference-graviton:2.4.0"}, "ml.c7i.large", "is for aarch64, and ml.c7i.large has x86_64"),
    ],
)
def test_a_section_that_is_wrong_for_every_candidate_is_an_error(
    section: dict[str, Any], target: str, says: str
) -> None:
    with pytest.raises(UserError, match=says) as error:
        check_section(Section(**section), find_target(target))
    assert error.value.key.startswith("bundle.")


def test_a_candidate_that_the_image_cannot_read_is_unsupported_in_the_plan(onnx_project: Project) -> None:
    from optimize.pipeline.loading import load

    path = onnx_project(
        candidates={"formats": ["onnx", "saved_model"], "quantization": ["none"]},
        bundle={"image": "pytorch-inference:2.6.0"},
    )
    onnx, saved_model = make_plan(load(path).pipeline).candidates
    assert onnx.reason == ""
    assert "pytorch-inference:2.6.0 is an image of the pytorch container" in saved_model.reason
    assert saved_model.artifact == ""


def test_the_header_of_a_file_is_read_without_its_weights(tmp_path: Path) -> None:
    from optimize.bundles.onnx_header import read_header
    from tests.conftest import write_onnx_model

    write_onnx_model(tmp_path / "model.onnx")
    header = read_header(tmp_path / "model.onnx")
    assert (header.ir, header.opset) == (9, 20)
    (tmp_path / "text.onnx").write_text("not a model", encoding="utf-8")
    with pytest.raises(UserError, match=r"text\.onnx is no ONNX file"):
        read_header(tmp_path / "text.onnx")
