"""Groups of features and of pairs, which several figures share."""

import numpy as np
import pytest
from drawn import group_of

from theory_sim.config import load_config
from theory_sim.figures.common.groups import over_replicas
from theory_sim.theories.feature_groups import FEATURES, of_heads


@pytest.mark.parametrize("model", ["coarse", "fine"])
def test_groups_are_those_of_the_names(model, result) -> None:
    members = of_heads(getattr(result, model), result.config)
    assert tuple(members) == FEATURES
    for head, feature in np.ndindex(members["other"].shape):
        mine = [group for group in FEATURES if members[group][head, feature]]
        assert mine == [group_of(result.config, model, head, feature)]


def test_heads_of_mixed_labels_have_several_common_features(result) -> None:
    """With labels across classes a head learns from leaves of more than one."""
    config = load_config(overrides=["tree.subclasses=4", "labels.fine=random(3)"])
    members = of_heads(result.fine.assign_attrs(labels="random(3)"), config)
    assert members["common"].shape == (3, 10)
    assert (members["common"].sum(1) == 2).all()
    assert (members["own rare"].sum(0)[2:] == 1).all(), "each leaf has one head"


def test_replicas_without_pairs_do_not_count() -> None:
    values = np.arange(8.0).reshape(2, 1, 1, 2, 2)  # (replica, step, head, neuron, feature)
    values = np.concatenate([values, values + 10], 1)
    pairs = np.zeros((2, 1, 2, 2), bool)
    pairs[1, 0, 0, 0] = pairs[1, 0, 1, 1] = True
    curves, mean = over_replicas(values, pairs)
    np.testing.assert_array_equal(curves, [[5.5, 15.5]])
    np.testing.assert_array_equal(mean, [5.5, 15.5])
    curves, mean = over_replicas(values, pairs & False)
    assert curves.shape == (0, 2)
    assert np.isnan(mean).all()
