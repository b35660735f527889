"""The pure parts of the quantization study: who is compared with whom, and the page that says what came of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from optimize.benchmarks.studies.quantization.cases import CASES, find
from optimize.benchmarks.studies.quantization.keeping import kept
from optimize.benchmarks.studies.quantization.table import bar, best_peer, finalists, page, upper, verdict


def peer(cosine, ratio):
    return {"cosine": cosine, "screened": {"ratio": ratio, "ci": [ratio, ratio], "p50_ms": 1.0}}


def result(name="minilm", bound=0.99, timed=None, **peers):
    timed = timed or {
        key: {
            "ratio": one["screened"]["ratio"],
            "ci": [one["screened"]["ratio"] - 0.02, one["screened"]["ratio"] + 0.02],
        }
        for key, one in peers.items()
        if "screened" in one
    }
    ours = {"winner": "litert-dynamic", "method": "TFLiteConverter", "cosine": 0.996}
    return {
        "name": name, "bound": bound, "ours": ours, "peers": peers, "on": "2026-11-24",
        "timed": {"noise": "quiet", "budget_s": 30, "artifacts": {"ours": {"p50_ms": 10.0}, **timed}},
    }  # fmt: skip


def study(*results):
    machine = {
        "cpu": "AMD EPYC",
        "usable_cores": 2,
        "instruction_sets": ["avx512", "vnni"],
        "kernel": "6",
        "python": "3.11",
    }
    return {"models": {one["name"]: one for one in results}, "machine": machine, "versions": {"nncf": "3.4.0"}}


def test_a_peer_that_drifts_more_than_the_bound_never_counts_as_the_best():
    fast_and_wrong, slow_and_right = peer(0.5, 2.0), peer(0.995, 0.8)
    one = result(**{"optimum-static": fast_and_wrong, "nncf-openvino": slow_and_right})
    assert finalists(one["peers"], 0.99, 3) == ["nncf-openvino"]
    assert best_peer(one) == "nncf-openvino"


def test_the_best_peer_is_the_one_that_ours_is_slowest_against():
    one = result(**{"optimum-dynamic": peer(0.999, 0.7), "nncf-openvino": peer(0.999, 0.95), "nncf-onnx": peer(1, 0.4)})
    assert best_peer(one) == "nncf-openvino"
    assert upper(one) == pytest.approx(0.97)
    assert finalists(one["peers"], 0.99, 2) == ["nncf-openvino", "optimum-dynamic"]


def test_a_model_that_no_peer_gets_right_has_no_best_peer_and_counts_as_ahead():
    one = result(**{"optimum-static": peer(0.2, 1.5), "olive-static": {"failure": "ValueError: no"}})
    assert best_peer(one) is None
    assert "1 of 1" in verdict([one])
    assert "| none is right |" in page(study(one))


def test_the_verdict_says_where_ours_is_behind():
    ahead = result("minilm", **{"nncf-openvino": peer(1, 0.9)})
    behind = result("lstm", 0.97, **{"optimum-dynamic": peer(1, 1.2)})
    said = verdict([ahead, behind])
    assert "1 of 2" in said
    assert "above 1.05 on LSTM" in said


def test_the_verdict_says_where_ours_drifts_more_than_the_best_peer():
    nearer = result("lstm", 0.97, **{"optimum-dynamic": peer(0.99, 0.9)})
    farther = result("minilm", **{"nncf-openvino": peer(0.9962, 0.9)})
    assert "Ours drifts more than the best peer on MiniLM (real weights)." in verdict([nearer, farther])
    assert "Ours drifts nowhere more than the best peer." in verdict([nearer])


def test_a_winner_that_drifts_more_than_the_fastest_peer_is_searched_for_again_at_that_peers_cosine():
    one = {**result(**{"nncf-openvino": peer(0.99639, 0.9)}), "finalists": ["nncf-openvino"]}
    assert bar(one) == 0.9964
    assert bar({**one, "ours": {"cosine": 0.99636}}) is None
    assert bar({**one, "finalists": []}) is None


def test_what_a_search_was_asked_for_and_a_machine_that_was_not_quiet_stand_on_the_page():
    one = result(**{"nncf-openvino": peer(0.995, 0.9)})
    one["ours"]["asked"] = "`quantization: auto`, a cosine of 0.995, `budget: 10m`"
    one["timed"]["noise"] = "noisy"
    text = page(study(one))
    assert "found by `quantization: auto`, a cosine of 0.995, `budget: 10m`, 10 ms." in text
    assert "not quiet while these were timed: MiniLM (real weights) (noisy)." in text


def test_the_page_shows_every_artifact_with_what_became_of_it():
    one = result(
        timed={"nncf-openvino": {"ratio": 0.9, "ci": [0.88, 0.92]}},
        **{
            "nncf-openvino": peer(0.995, 0.9),
            "optimum-dynamic": peer(0.992, 0.5),
            "optimum-static": peer(0.1, 1.3),
            "olive-static": {"failure": "ValueError: a | b"},
        },
    )
    text = page(study(one))
    assert (
        "| MiniLM (real weights) | litert-dynamic | 0.9960 | NNCF on OpenVINO | 0.9950 | yes | 0.900 [0.880, 0.920] |"
        in text
    )
    assert "| Optimum, dynamic | 0.9920 | 0.500 [0.500, 0.500] | short timing only |" in text
    assert "| Optimum, static | 0.1000 | 1.300 [1.300, 1.300] | drifted |" in text
    assert "Rounds of 30 s in all; the machine was quiet." in text
    assert "Not measured: ResNet-50, ViT-base, BERT-base, MobileNetV2, digits CNN (real weights), LSTM." in text
    assert "| Olive, static |  |  | ValueError: a \\| b |" in text


def test_the_published_page_is_made_of_the_published_results(root: Path):
    results = json.loads((root / "docs" / "quantization-study.json").read_text(encoding="utf-8"))
    assert list(results["models"]) == [case.name for case in CASES if case.name in results["models"]]
    assert (root / "docs" / "quantization-study.md").read_text(encoding="utf-8") == page(results)


def test_a_result_is_kept_until_what_it_is_of_changes(tmp_path: Path):
    made = []
    for content in ("a", "a", "b"):
        kept(tmp_path / "kept.json", content, lambda: made.append(1) or len(made))
    assert len(made) == 2


def test_a_model_that_is_not_in_the_study_is_refused_with_those_that_are():
    with pytest.raises(ValueError, match="no model is named resnet; there are resnet-50, vit-base"):
        find(("resnet",))
