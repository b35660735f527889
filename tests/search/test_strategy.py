"""In which order things are tried, over made-up answers: no model, no clock."""

from __future__ import annotations

from collections.abc import Callable

from optimize.search.budget import Budget
from optimize.search.choosing import best, frontier
from optimize.search.space import Interval, Proposal, Ranking, Space, Trial, Way
from optimize.search.strategy import Strategy
from optimize.store import State

LAYERS = tuple(f"layer{index}" for index in range(20))
DYNAMIC, STATIC = Way("onnx", "dynamic", calibrated=False, whole="no option"), Way("onnx", "static", calibrated=True)


def right(proposal: Proposal, ratio: float = 0.5, distance: float = 0.001) -> Trial:
    interval = Interval(ratio, ratio * 0.99, ratio * 1.01)
    return Trial(proposal, State.OK, "", distance, interval, figure=ratio)


def wrong(proposal: Proposal, distance: float = 0.2) -> Trial:
    return Trial(proposal, State.DRIFTED, "cosine is under the bound", distance)


def asked(space: Space, answer: Callable[[Proposal], Trial]) -> list[Proposal | Ranking]:
    """Everything the strategy asks when it is told this."""
    questions: list[Proposal | Ranking] = []
    asking = Strategy(space).ask()
    question = next(asking, None)
    while question is not None:
        questions.append(question)
        try:
            question = asking.send(LAYERS if isinstance(question, Ranking) else answer(question))
        except StopIteration:
            break
    return questions


def excluded(questions: list[Proposal | Ranking]) -> list[int]:
    return [len(q.options["exclude"]) for q in questions if isinstance(q, Proposal) and "exclude" in q.options]


def test_what_needs_no_calibration_is_tried_first_and_the_rest_in_the_order_of_the_tables() -> None:
    ways = (STATIC, Way("litert", "static", True), DYNAMIC, Way("litert", "dynamic", False))
    questions = asked(Space(ways), right)
    assert [(q.format, q.method) for q in questions if isinstance(q, Proposal)] == [
        ("onnx", "dynamic"), ("litert", "dynamic"), ("onnx", "static"), ("litert", "static"),
    ]  # fmt: skip


def test_remedies_are_tried_until_one_clears_and_only_where_the_defaults_drift() -> None:
    remedies = ({"calibration": "percentile"}, {"calibration": "entropy"})
    way = Way("onnx", "static", True, remedies, whole="no option")
    clears = asked(Space((way,)), lambda p: right(p) if p.options.get("calibration") == "percentile" else wrong(p))
    assert [q.options for q in clears if isinstance(q, Proposal)] == [{}, {"calibration": "percentile"}]
    assert len(asked(Space((way,)), right)) == 1
    assert len(asked(Space((way,)), lambda p: Trial(p, State.UNSUPPORTED, "no such operator"))) == 1


def test_the_fewest_layers_that_must_stay_in_float_are_found_by_doubling_and_halving() -> None:
    for needed in range(1, 19):
        questions = asked(
            Space((STATIC,)), lambda p, n=needed: right(p) if len(p.options.get("exclude", ())) >= n else wrong(p)
        )
        counts = excluded(questions)
        assert min(count for count in counts if count >= needed) == needed, "the fewest was tried"
        assert len(counts) == len(set(counts)) <= 10
        assert sum(isinstance(q, Ranking) for q in questions) == 1


def test_the_most_sensitive_layers_go_back_first_beside_those_the_file_names() -> None:
    way = Way("onnx", "static", True, remedies=({"calibration": "entropy"},))
    questions = asked(Space((way,)), lambda p: wrong(p, 0.1 if p.options.get("calibration") else 0.2))
    first = next(q for q in questions if isinstance(q, Proposal) and "exclude" in q.options)
    assert first.options == {"calibration": "entropy", "exclude": ["layer0"]}, "on the nearest variant"


def test_at_least_one_layer_stays_quantized() -> None:
    assert max(excluded(asked(Space((STATIC,)), wrong))) == len(LAYERS) - 1


def test_layers_are_ranked_once_for_each_method_that_is_wrong() -> None:
    """What one method quantizes, another may not, and cannot be asked to leave in float."""
    space = Space((STATIC, Way("onnx", "other", True)))
    ranked = [q.proposal.method for q in asked(space, wrong) if isinstance(q, Ranking)]
    assert ranked == ["static", "other"]


def test_settings_are_tuned_on_the_fastest_and_kept_where_they_are_faster_for_sure() -> None:
    tuning = ({"spinning": False}, {"arena": False}, {"threads": 1})
    speeds = {(): 0.5, ("spinning",): 0.4, ("arena", "spinning"): 0.399, ("spinning", "threads"): 0.3}
    space = Space((DYNAMIC,), {"onnx": tuning})
    questions = asked(space, lambda p: right(p, speeds[tuple(sorted(p.settings))]))
    assert [sorted(q.settings) for q in questions if isinstance(q, Proposal)] == [
        [], ["spinning"], ["arena", "spinning"], ["spinning", "threads"],
    ]  # fmt: skip


def test_where_int8_is_slower_the_settings_of_fp32_are_tuned() -> None:
    questions = asked(Space((DYNAMIC,), {"onnx": ({"spinning": False},)}), lambda p: right(p, 1.5))
    assert questions[-1] == Proposal("onnx", "none", settings={"spinning": False})


def test_the_same_answers_lead_through_the_same_trials() -> None:
    space = Space((DYNAMIC, STATIC), {"onnx": ({"spinning": False},)})
    assert asked(space, wrong) == asked(space, wrong)


def test_no_trial_is_begun_that_would_pass_the_budget_by_what_one_like_it_took() -> None:
    budget = Budget(100.0)
    proposal, other = Proposal("onnx", "static"), Proposal("onnx", "dynamic")
    assert not budget.stops(proposal)
    budget.end_trial(proposal, budget.count("a", 60.0))
    assert "60 s of the budget of 100 s are used" in budget.stops(proposal)
    assert not budget.stops(other), "of which nothing is known yet"
    budget.end_trial(other, budget.count("b", 45.0))
    assert budget.stops(other)


def test_a_search_that_has_used_its_budget_says_that_alone() -> None:
    budget = Budget(2.0)
    budget.count("a", 2.5)
    assert budget.stops(Proposal("torchscript", "bf16")) == "2.5 s of the budget of 2 s are used"


def test_a_step_that_two_trials_read_is_counted_once() -> None:
    budget = Budget(100.0)
    assert (budget.count("a", 10.0), budget.count("a", 10.0), budget.used_s) == (10.0, 0.0, 10.0)


def test_the_best_is_the_fastest_that_clears_the_bar_else_the_nearest() -> None:
    proposal = Proposal("onnx", "static")
    fast, slow, far, near = right(proposal, 0.4), right(proposal, 0.6), wrong(proposal, 0.5), wrong(proposal, 0.1)
    assert best([slow, far, fast]) is fast
    assert best([far, near]) is near
    assert best([]) is None


def test_a_trial_is_on_the_frontier_where_no_other_is_both_faster_and_nearer() -> None:
    proposal = Proposal("onnx", "static")
    trials = [right(proposal, 0.4, 0.01), right(proposal, 0.6, 0.001), right(proposal, 0.7, 0.005), wrong(proposal)]
    assert frontier(trials) == [True, True, False, False]


def test_what_stayed_wrong_as_a_whole_is_named_with_why() -> None:
    space = Space((DYNAMIC, STATIC))
    assert space.left_out([wrong(Proposal("onnx", "dynamic"))]) == ["onnx-dynamic: no option"]
    assert space.left_out([right(Proposal("onnx", "dynamic"))]) == []


def test_settings_are_tuned_before_layers_go_back_to_float_and_the_mended_are_given_what_was_kept() -> None:
    space = Space((DYNAMIC, STATIC), {"onnx": ({"spinning": False},)})
    speed = {False: 0.5, True: 0.4}

    def answer(proposal: Proposal) -> Trial:
        if proposal.method == "static":
            return wrong(proposal)
        return right(proposal, speed[bool(proposal.settings)])

    questions = [q for q in asked(space, answer) if isinstance(q, Proposal)]
    assert [q.method for q in questions[:3]] == ["dynamic", "static", "dynamic"]
    assert all(q.settings == {"spinning": False} for q in questions if "exclude" in q.options)


def test_the_format_that_is_the_fastest_is_tuned_first() -> None:
    other = Way("openvino", "dynamic", False)
    space = Space((DYNAMIC, other), {"onnx": ({"spinning": False},), "openvino": ({"fixed_sizes": True},)})
    questions = asked(space, lambda p: right(p, 0.5 if p.format == "onnx" else 0.3))
    assert [q.format for q in questions[2:]] == ["openvino", "onnx"]
