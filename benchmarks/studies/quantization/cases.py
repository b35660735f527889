"""The seven models of the study, and the bounds a user would set on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LEARNED, DRAWN = 0.99, 0.95
"""The least cosine where weights are real, and where they are random: those leave activations less to quantize by."""
BUDGET = "10m"
IMAGES = {"pixel_values": {"dtype": "float32", "shape": ["batch", 3, 224, 224]}}
"""One size, as the peers' recipes have it too."""
SETTINGS = {"openvino": {"fixed_sizes": True}}
"""All calls of the study have one size."""
LARGE = ("dynamic", "static")
"""Of the larger models no candidate in float or in TorchScript is made: none was ever near, and they would take most of
the rounds."""
FORMATS = ("onnx", "openvino", "litert", "torchscript")


@dataclass(frozen=True)
class Case:
    """`maker` names the function of `sources` that writes the model and its rows into a folder."""

    name: str
    title: str
    maker: str
    cosine: float
    """At least that between an int8 artifact's outputs and the source's own, ours and the peers' alike."""
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    source: Mapping[str, Any]
    """The `source` section of the pipeline file."""
    quantization: tuple[str, ...] = ("none", "dynamic", "static")
    transformer: bool = False
    task: str = ""
    """Optimum's name, where the model is a Hugging Face folder."""
    architecture: str = ""
    configuration: Mapping[str, Any] = field(default_factory=dict)

    def pipeline(self) -> dict[str, Any]:
        """The pipeline file, as a user would write it for one thread."""
        large = self.large
        return {
            "name": self.name,
            "source": dict(self.source),
            "data": {"calibration": "calibration.npz"},
            "candidates": {
                "formats": list(FORMATS[:3] if large else FORMATS), "quantization": list(self.quantization),
                "settings": SETTINGS,
            },
            "tolerances": {"int8": {"cosine": self.cosine, "top1": None}},
            "objective": "latency",
            "benchmark": {"threads": 1, "processes": 3, "budget_s": 30 if large else 10},
        }  # fmt: skip

    def searched(self, bar: float) -> dict[str, Any]:
        """The same with a higher bar, which a search is to clear on the rows that judge everybody."""
        file = self.pipeline()
        file["candidates"] |= {"quantization": ["auto"] if self.large else ["none", "auto"], "budget": BUDGET}
        file["tolerances"] = {"int8": {"cosine": bar, "top1": None}}
        if not self.sequences:
            file["data"]["evaluation"] = {"file": "evaluation.npz", "labels": "label"}
        return file

    @property
    def large(self) -> bool:
        return self.quantization == LARGE

    @property
    def sequences(self) -> bool:
        """Whether the output is of every token, and not of classes."""
        return self.task == "feature-extraction"


def _huggingface(
    name: str, title: str, architecture: str, task: str, cosine: float, text: bool = False, transformer: bool = True,
    outputs: tuple[str, ...] = ("logits",), quantization: tuple[str, ...] = ("none", "dynamic", "static"),
    **configuration: Any,
) -> Case:  # fmt: skip
    inputs = ("input_ids", "token_type_ids", "attention_mask") if text else ("pixel_values",)
    source = {"kind": "huggingface", "folder": "model", **({} if text else {"inputs": IMAGES})}
    return Case(
        name, title, "huggingface", cosine, inputs, outputs, source, quantization, transformer, task, architecture,
        configuration,
    )  # fmt: skip


CASES = (
    _huggingface(
        "resnet-50", "ResNet-50", "ResNetForImageClassification", "image-classification", DRAWN, transformer=False,
        quantization=LARGE, num_labels=1000,
    ),
    _huggingface(
        "vit-base", "ViT-base", "ViTForImageClassification", "image-classification", DRAWN, quantization=LARGE,
        num_labels=1000,
    ),
    _huggingface(
        "bert-base", "BERT-base", "BertForSequenceClassification", "text-classification", DRAWN, text=True,
        quantization=LARGE,
    ),
    _huggingface(
        "minilm", "MiniLM (real weights)", "", "feature-extraction", LEARNED, text=True, outputs=("last_hidden_state",)
    ),
    _huggingface(
        "mobilenet-v2", "MobileNetV2", "MobileNetV2ForImageClassification", "image-classification", DRAWN,
        transformer=False, num_labels=1000,
    ),
    Case(
        "digits", "digits CNN (real weights)", "digits", LEARNED, ("image",), ("output",),
        {
            "kind": "pytorch", "factory": "model.py:DigitsNet", "weights": "weights.safetensors",
            "inputs": {"image": {"dtype": "float32", "shape": ["batch", 1, 8, 8]}},
        },
    ),
    Case(
        "lstm", "LSTM", "lstm", DRAWN, ("tokens",), ("output",),
        {
            "kind": "pytorch", "factory": "model.py:Classifier", "weights": "weights.safetensors",
            "inputs": {"tokens": {"dtype": "int64", "shape": ["batch", "sequence"]}},
        },
    ),
)  # fmt: skip


def find(names: tuple[str, ...]) -> tuple[Case, ...]:
    """In the order of the table; all where none is named. Raises ValueError for a name that is none."""
    known = [case.name for case in CASES]
    strange = [name for name in names if name not in known]
    if strange:
        raise ValueError(f"no model is named {', '.join(strange)}; there are {', '.join(known)}")
    return tuple(case for case in CASES if not names or case.name in names)
