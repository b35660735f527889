"""ONNX files as torch's exporters and skl2onnx write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.matrix.case import Case

# The exporter to take, and the inputs' names and sizes. The one by torch.export fixes the length of an LSTM's sequence.
_MODELS: dict[str, tuple[bool, dict[str, tuple[int | str, ...]]]] = {
    "mlp": (True, {"x": ("batch", 8)}),
    "cnn": (True, {"image": ("batch", 3, 16, 16)}),
    "lstm": (False, {"x": ("batch", "sequence", 6)}),
    "transformer": (True, {"x": ("batch", "sequence", 8)}),
}


def _module(name: str) -> Any:
    from torch import nn

    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.memory, self.tags = nn.LSTM(6, 8, bidirectional=True, batch_first=True), nn.Linear(16, 3)

        def forward(self, x: Any) -> Any:
            return self.tags(self.memory(x)[0])

    makers = {
        "mlp": lambda: nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 3)),
        "cnn": lambda: nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 4)
        ),
        "lstm": Tagger,
        "transformer": lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 1),
    }
    return makers[name]().eval()


def export(folder: Path, name: str) -> dict[str, Any]:
    import torch

    torch.manual_seed(0)
    by_export, inputs = _MODELS[name]
    ((key, shape),) = inputs.items()
    free = {axis: size for axis, size in enumerate(shape) if isinstance(size, str)}
    example = torch.randn(*(2 if size == "batch" else 5 if isinstance(size, str) else size for size in shape))
    dynamic: dict[str, Any] = (
        {"dynamic_shapes": ({axis: torch.export.Dim(size) for axis, size in free.items()},)}
        if by_export
        else {"dynamic_axes": {key: free, "output": free}}
    )
    torch.onnx.export(
        _module(name), (example,), str(folder / "model.onnx"), input_names=[key], output_names=["output"],
        dynamo=by_export, verbose=False, **dynamic,
    )  # fmt: skip
    return {"source": {"kind": "onnx", "file": "model.onnx"}}


def external(folder: Path) -> dict[str, Any]:
    """The weights in a file of their own."""
    import onnx

    sections = export(folder, "mlp")
    model = onnx.load(folder / "model.onnx")
    aside = {"save_as_external_data": True, "location": "weights.bin", "size_threshold": 0}
    onnx.save(model, folder / "model.onnx", **aside)
    assert (folder / "weights.bin").is_file()
    return sections


def forest(folder: Path) -> dict[str, Any]:
    """As skl2onnx writes it: the operators of ONNX for classical models."""
    import skl2onnx
    from sklearn.ensemble import RandomForestRegressor

    from tests.matrix.zoo_estimators import rows

    fitted = RandomForestRegressor(10, max_depth=5, random_state=0).fit(*rows())
    types = [("features", skl2onnx.common.data_types.FloatTensorType([None, 8]))]
    model = skl2onnx.convert_sklearn(fitted, initial_types=types, target_opset={"": 18, "ai.onnx.ml": 3})
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    return {"source": {"kind": "onnx", "file": "model.onnx"}}


HERE = "tests.matrix.zoo_onnx"
CASES = (
    Case("MLP in ONNX", "onnx", f"{HERE}:export", {"name": "mlp"}),
    Case("CNN in ONNX", "onnx", f"{HERE}:export", {"name": "cnn"}),
    Case("LSTM in ONNX", "onnx", f"{HERE}:export", {"name": "lstm"}),
    Case("Transformer encoder in ONNX", "onnx", f"{HERE}:export", {"name": "transformer"}),
    Case("ONNX, weights in a file of their own", "onnx", f"{HERE}:external"),
    Case("random forest in ONNX", "onnx", f"{HERE}:forest"),
)
