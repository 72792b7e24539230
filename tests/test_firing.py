"""The listing of firing pairs; that both representations agree is in `test_training`."""

import numpy as np
import pytest

from theory_sim.engines.firing import _stable_order


@pytest.mark.parametrize("end", [1, 2**16, 2**16 + 1, 2**20])
def test_equal_keys_stay_in_their_order(end):
    keys = np.random.default_rng(0).integers(max(0, end - 50), end, 2000)
    np.testing.assert_array_equal(_stable_order(keys, end), np.argsort(keys, kind="stable"))
