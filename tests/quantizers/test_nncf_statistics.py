"""What NNCF's statistics keep of the rows, and that their means are NNCF's own."""

from __future__ import annotations

import numpy as np
import pytest

from optimize.quantizers.nncf_statistics import CORRECTION_ROWS, hold_down, running_mean


@pytest.mark.parametrize("axes", [(0,), (0, 1), (0, 1, 2)])
def test_the_mean_is_that_of_all_rows_and_only_a_sum_is_kept(axes: tuple[int, ...]) -> None:
    from nncf.common.tensor_statistics.collectors import MeanAggregator
    from nncf.tensor import Tensor

    rng = np.random.default_rng(0)
    theirs, ours = MeanAggregator(aggregation_axes=axes), running_mean()(aggregation_axes=axes)
    for rows in (2, 2, 3) if 1 in axes else (2, 2, 2):
        row = rng.standard_normal((rows, 5, 7)).astype(np.float32)
        theirs.register_reduced_input(Tensor(row))
        ours.register_reduced_input(Tensor(row))
    assert ours.aggregate().data.dtype == np.float32
    np.testing.assert_allclose(ours.aggregate().data, theirs.aggregate().data, atol=1e-6, strict=True)
    assert len(ours._container) == 1


def test_the_slow_bias_correction_looks_at_a_bounded_number_of_rows() -> None:
    hold_down()
    from nncf.quantization.algorithms.post_training.pipeline import BiasCorrection

    assert BiasCorrection(2000).subset_size == CORRECTION_ROWS and BiasCorrection(12).subset_size == 12
