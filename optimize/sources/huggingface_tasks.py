"""What Hugging Face models are for, by optimum's names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optimize.errors import UserError


@dataclass(frozen=True, slots=True)
class Task:
    """`suffixes` end the names of the architectures that do it."""

    loader: str
    """The class of transformers that loads it."""
    suffixes: tuple[str, ...]
    outputs: tuple[str, ...] = ("logits",)


TASKS: Mapping[str, Task] = {
    "text-classification": Task("AutoModelForSequenceClassification", ("ForSequenceClassification",)),
    "token-classification": Task("AutoModelForTokenClassification", ("ForTokenClassification",)),
    "question-answering": Task(
        "AutoModelForQuestionAnswering", ("ForQuestionAnswering",), ("start_logits", "end_logits")
    ),
    "fill-mask": Task("AutoModelForMaskedLM", ("ForMaskedLM",)),
    "text-generation": Task("AutoModelForCausalLM", ("ForCausalLM", "LMHeadModel")),
    "text2text-generation": Task("AutoModelForSeq2SeqLM", ("ForConditionalGeneration",)),
    "image-classification": Task("AutoModelForImageClassification", ("ForImageClassification",)),
    "semantic-segmentation": Task("AutoModelForSemanticSegmentation", ("ForSemanticSegmentation",)),
    "object-detection": Task("AutoModelForObjectDetection", ("ForObjectDetection",), ("logits", "pred_boxes")),
    "feature-extraction": Task("AutoModel", ("Model",), ("last_hidden_state",)),
}


def infer_task(config: Mapping[str, Any]) -> str:
    """Raises UserError (`source.task`) where the architecture does not tell it."""
    architectures = [str(name) for name in config.get("architectures") or ()]
    for architecture in architectures:
        for name, task in TASKS.items():
            if architecture.endswith(task.suffixes):
                return name
    given = f"the architecture {', '.join(architectures)}" if architectures else "a configuration without architectures"
    raise UserError(
        f"{given} does not tell what the model is for; write for example `task: feature-extraction` under `source`; "
        f"one of {', '.join(TASKS)}",
        "source.task",
    )
