"""Named streams: their numbers are pinned, whatever other names and label functions there are."""

import numpy as np
import pytest
import torch

import theory_sim as ts
from theory_sim.runtime import streams as module
from theory_sim.runtime.streams import streams
from theory_sim.training.trainer import Training

FIRST = {
    "dictionary": [3695578794, 3046888064],
    "init coarse": [1932179086, 1780164796],
    "init fine": [2011360259, 2082110933],
    "training": [760636084, 2351284865],
    "training set": [4100935753, 730276616],
    "curve easy": [3193187111, 3220955327],
    "curve hard": [2126869601, 587814528],
    "test easy": [1122541615, 3919461684],
    "test hard": [3659232913, 1821156870],
    "probe": [3833600684, 769583369],
    "finetuning": [409797472, 1687336925],
    "check": [1164787685, 712144201],
    "alignment": [2659341589, 35812283],
    "test clear": [3760631500, 2786487241],
    "curve clear": [4045101536, 3593650556],
    "init only": [3751401196, 3863949056],
}
"""The first number of two replicas at seed 7: of the package's own streams, and of three that a user's theory makes."""


def first(name: str, seed: int = 7) -> list[int]:
    return streams(seed, name, 2).integers(2**32, 1)[:, 0].tolist()


def test_every_named_stream_has_its_numbers_for_good() -> None:
    assert {name: first(name) for name in FIRST} == FIRST
    assert module._IDS.keys() <= FIRST.keys()
    assert len(set(module._IDS.values())) == len(module._IDS)


def test_a_new_name_changes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_IDS", {"a new purpose": 99} | module._IDS)
    assert first("a new purpose") not in FIRST.values()
    assert {name: first(name) for name in FIRST} == FIRST


def test_a_users_names_differ_from_each_other_and_from_the_packages() -> None:
    names = [f"test {kind}" for kind in ("clear", "faint", "Clear", "clear ", "")] + [f"init {i}" for i in range(200)]
    numbers = [tuple(first(name)) for name in [*names, *FIRST]]
    assert len(set(numbers)) == len({*names, *FIRST})
    assert len({tuple(first("init 0", seed)) for seed in range(50)}) == 50


def test_a_new_label_function_changes_no_number() -> None:
    config = ts.Config().replace(
        {
            "replicas": 2,
            "tree.subclasses": 4,
            "data.dim": 16,
            "data.patches": 20,
            "labels.fine": "random(3)",
            "network.neurons": 3,
        }
    )

    def losses() -> dict[str, torch.Tensor]:
        training = Training(config)
        with torch.no_grad():
            training.step()
            return {name: report.loss for name, report in training.step().items()}

    before = losses()
    try:
        ts.register_label_function("aaa")(lambda tree, context: ts.by_leaf("aaa", tree, tree.coarse_of_leaf))
        after = losses()
    finally:
        ts.LABEL_FUNCTIONS.remove("aaa")
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_generators_fill_the_numbers_of_their_own_replicas_alone() -> None:
    """As on a GPU, with a generator of PyTorch for each stream: an array for more replicas than there are is refused."""

    def own() -> module.Streams:
        generators = [torch.Generator().manual_seed(seed) for seed in (3, 5)]
        return module.Streams(np.array([3, 5], dtype=np.uint64), generators=generators)

    expected = torch.stack([torch.randn(4, generator=torch.Generator().manual_seed(seed)) for seed in (3, 5)])
    assert torch.equal(own().normal(4, dtype=torch.float32), expected)
    assert torch.equal(own().one(1).normal(4, dtype=torch.float32), expected[1:])
    assert torch.equal(own().normal_(torch.empty(2, 4), 0.5), expected * 0.5)
    assert torch.equal(own().normal_(torch.empty(2, 4), np.array([0.5, 2.0])), expected * torch.tensor([[0.5], [2.0]]))
    with pytest.raises(ValueError, match=r"longer|shorter"):
        own().normal_(torch.empty(3, 4))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_replicas_of_different_scales_are_those_drawn_alone(dtype: torch.dtype) -> None:
    scales = np.array([0.3, 1.7, 0.3])
    drawn = module.streams(0, "check", 3).normal_(torch.empty(3, 700, dtype=dtype), scales)
    for replica, scale in enumerate(scales):
        alone = module.streams(0, "check", 3).one(replica).normal_(torch.empty(1, 700, dtype=dtype), float(scale))
        assert torch.equal(drawn[replica], alone[0])
