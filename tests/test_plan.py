"""The plan is found by searching the stages that there are; nothing of a format is written into it."""

from __future__ import annotations

import pytest

from optimize.errors import UserError
from optimize.pipeline.loading import load
from optimize.plan import Edge, Stage, find_edges, make_plan, shortest_path
from tests.conftest import ROOT, Project


def edge(name: str, start: str, end: str) -> Edge:
    return Edge(name, (start, "none"), (end, "none"), (), name)


def test_the_shortest_path_wins_and_then_the_order_of_the_table() -> None:
    edges = [edge("far", "a", "b"), edge("far2", "b", "c"), edge("near", "a", "c"), edge("late", "a", "c")]
    found = shortest_path(edges, [("a", "none")], ("c", "none"))
    assert found is not None and [e.name for e in found] == ["near"]


def test_what_failed_is_gone_around_where_there_is_a_way() -> None:
    edges = [edge("near", "a", "c"), edge("far", "a", "b"), edge("far2", "b", "c"), edge("on", "c", "d")]
    failed = {("near", ("c", "none"))}
    found = shortest_path(edges, [("a", "none")], ("d", "none"), failed)
    assert found is not None and [e.name for e in found] == ["far", "far2", "on"]
    found = shortest_path(edges, [("a", "none")], ("d", "none"), {*failed, ("far", ("b", "none"))})
    assert found is not None and [e.name for e in found] == ["near", "on"]


def test_no_path_is_none() -> None:
    assert shortest_path([edge("x", "b", "a")], [("a", "none")], ("b", "none")) is None


def test_the_example_has_nine_candidates_each_with_a_path() -> None:
    plan = make_plan(load(ROOT / "pipeline.yaml").pipeline)
    assert len(plan.candidates) == 9
    assert [c.name for c in plan.candidates if c.reason] == []


def test_steps_come_after_what_they_need() -> None:
    plan = make_plan(load(ROOT / "pipeline.yaml").pipeline)
    seen: set[str] = set()
    for name, step in plan.steps.items():
        assert set(step.needs) <= seen
        seen.add(name)


def test_a_step_needs_what_its_options_need_and_no_other_does() -> None:
    """So that `optimize doctor` asks for it, and its version counts in the store."""
    wanted = {"candidates.options.torchscript-static": "{prune: {kind: channels}}"}
    steps = make_plan(load(ROOT / "pipeline.yaml", [f"{key}={value}" for key, value in wanted.items()]).pipeline).steps
    assert [name for name, step in steps.items() if "torch-pruning" in step.libraries] == [
        "quantize:torchscript-static"
    ]


def test_only_keeps_one_candidate_and_what_it_needs() -> None:
    plan = make_plan(load(ROOT / "pipeline.yaml").pipeline, only=["onnx-static"])
    assert list(plan.steps) == ["golden", "convert:onnx", "quantize:onnx-static", "check:onnx-static"]


def test_until_leaves_out_what_comes_later() -> None:
    plan = make_plan(load(ROOT / "pipeline.yaml").pipeline, until=Stage.CONVERT)
    assert {step.stage for step in plan.steps.values()} == {Stage.GOLDEN, Stage.CONVERT}


def test_only_with_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(UserError, match="it has torchscript-none, torchscript-dynamic"):
        make_plan(load(ROOT / "pipeline.yaml").pipeline, only=["onnx"])


def test_a_pair_that_no_stage_makes_is_unsupported_with_a_reason(onnx_project: Project) -> None:
    path = onnx_project(candidates={"formats": ["torchscript"], "quantization": ["none"]})
    candidate = make_plan(load(path).pipeline).candidates[0]
    assert "no converter leads from a onnx source to torchscript" in candidate.reason


def test_options_of_a_method_enter_its_step_with_the_defaults_of_the_rest(onnx_project: Project) -> None:
    options = {"onnx-static": {"exclude": ["first"]}}
    path = onnx_project(candidates={"formats": ["onnx"], "quantization": ["static"], "options": options})
    step = make_plan(load(path).pipeline).steps["quantize:onnx-static"]
    assert step.options["exclude"] == ["first"] and step.options["per_channel"] is True and step.calibrated


def test_a_format_without_a_method_is_unsupported_with_a_reason(onnx_project: Project) -> None:
    path = onnx_project(candidates={"formats": ["saved_model"], "quantization": ["static", "dynamic"]})
    reasons = [c.reason for c in make_plan(load(path).pipeline).candidates]
    assert reasons[0] == "" and "no converter leads from a onnx source to saved_model by dynamic" in reasons[1]


def test_a_source_of_a_formats_own_kind_is_adopted_first() -> None:
    _, origins = find_edges("onnx")
    assert origins == [("onnx", "source")]
    _, origins = find_edges("pytorch")
    assert origins == [("pytorch", "none")]


def test_a_module_goes_to_a_saved_model_by_its_aten_graph_and_an_onnx_file_by_its_operators() -> None:
    paths = []
    for kind in ("pytorch", "huggingface", "onnx"):
        edges, origins = find_edges(kind)
        found = shortest_path(edges, origins, ("saved_model", "none"))
        paths.append([e.name for e in found or ()])
    by_its_graph = ["pytorch_to_aten_graph", "aten_graph_to_saved_model"]
    assert paths == [by_its_graph, by_its_graph, ["onnx_file", "onnx_to_saved_model"]]
