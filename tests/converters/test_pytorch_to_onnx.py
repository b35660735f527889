"""Which exporter a module goes to."""

from __future__ import annotations

from torch import nn

from optimize.converters.pytorch_to_onnx import _exporters


def test_a_recurrent_module_goes_to_the_older_exporter_first_and_any_other_to_the_newer():
    recurrent = [name for name, _ in _exporters(nn.Sequential(nn.Embedding(5, 4), nn.LSTM(4, 4)))]
    other = [name for name, _ in _exporters(nn.Linear(4, 4))]
    assert recurrent == other[::-1]
    assert other[0] == "torch.onnx.export over torch.export"
