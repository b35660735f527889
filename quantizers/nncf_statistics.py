"""NNCF's statistics of activations, in memory that does not grow with the rows.

NNCF 3.4 keeps the statistics of every row until it takes their mean: of ResNet-50, 0.1 MB a row. Its slow bias
correction keeps whole inputs, of a fifth of the rows.
"""

from __future__ import annotations

from typing import Any

CORRECTION_ROWS = 60
"""The slow bias correction looks at no more: as many as NNCF takes where it is told nothing."""


def hold_down() -> None:
    """Of this process, for good: NNCF takes both classes from where they are replaced here, and has no setting."""
    from nncf.common.tensor_statistics import collectors
    from nncf.openvino.statistics import builders
    from nncf.quantization.algorithms.post_training import pipeline
    from nncf.quantization.range_estimator import AggregatorType

    mean = running_mean()
    collectors.AGGREGATORS_MAP[AggregatorType.MEAN] = mean
    builders.MeanAggregator = mean
    pipeline.BiasCorrection = _bias_correction()


def running_mean() -> Any:
    """NNCF's aggregator of means, which keeps a sum instead of what is summed, of float64."""
    import numpy as np
    from nncf.common.tensor_statistics.collectors import MeanAggregator
    from nncf.tensor import Tensor

    class RunningMean(MeanAggregator):
        def _register_reduced_input_impl(self, x: Any) -> None:
            if 0 not in self._aggregation_axes or self._window_size is not None:
                super()._register_reduced_input_impl(x)
                return
            axes = tuple(axis - 1 for axis in self._aggregation_axes if axis)
            total = np.sum(x.data, axis=axes, keepdims=True, dtype=np.float64)
            count = x.data.size // total.size
            if self._container:
                before, counted = self._container.pop()
                total, count = before + total, counted + count
            self._container.append((total, count))
            self._dtype = x.data.dtype

        def _aggregate_impl(self) -> Any:
            if not isinstance(self._container[0], tuple):
                return super()._aggregate_impl()
            total, count = self._container[0]
            return Tensor((total / count).astype(self._dtype))

    return RunningMean


def _bias_correction() -> Any:
    from nncf.quantization.algorithms.bias_correction.algorithm import BiasCorrection

    class Bounded(BiasCorrection):
        def __init__(self, subset_size: int, *settings: Any) -> None:
            super().__init__(min(subset_size, CORRECTION_ROWS), *settings)

    return Bounded
