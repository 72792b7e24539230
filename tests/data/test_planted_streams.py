"""Random streams that overlap: of two purposes, of two replicas, of two calls; and which streams a whole run draws from."""

from collections import Counter

import numpy as np
import pytest
import torch
from planted import CONFIG, Drawn
from tiny import TINY

import theory_sim as ts
from theory_sim.data.checks import random_streams as checks_of_streams
from theory_sim.data.checks.independence import _not_again
from theory_sim.runtime import streams as module
from theory_sim.runtime.streams import Streams
from theory_sim.training.trainer import Training

DISTINCT, APART = "streams are distinct", "streams do not overlap"


def broken(config=CONFIG):
    return {check.name: check.finding for check in checks_of_streams.check_streams(config, ts.law_of(config)) if not check.passed}


def test_the_correct_streams_break_nothing():
    assert broken() == {}
    assert {DISTINCT, APART} <= {check.name for check in ts.check_data(CONFIG, 50)}


@pytest.mark.parametrize("shared", [("test easy", "training"), ("check", "test hard"), ("training set", "curve easy")])
def test_one_stream_of_two_purposes(monkeypatch, shared):
    one, other = shared
    monkeypatch.setitem(module._IDS, one, module._IDS[other])
    found = {check.name: check for check in ts.check_data(CONFIG, 50)}
    assert not found[DISTINCT].passed
    assert not found[APART].passed
    assert one in found[DISTINCT].finding
    assert other in found[DISTINCT].finding


def of_keys(change):
    """Keys, changed: from seed, name and the right keys to others."""
    right = module.keys_of
    return lambda seed, name, replicas: change(seed, name, right(seed, name, replicas))


@pytest.mark.parametrize(
    "change",
    {
        "all replicas alike": lambda seed, name, keys: keys[:1].repeat(len(keys)),
        "the test stream of one replica is the training stream of another": lambda seed, name, keys: (
            module.keys_of(seed, "training", len(keys))[::-1] if name == "test hard" else keys
        ),
        "names of kinds are not looked at": lambda seed, name, keys: (
            module.keys_of(seed, "test", len(keys)) if name.startswith("test ") else keys
        ),
        "replica r + 1 of a purpose is replica r of the next": lambda seed, name, keys: (
            np.arange(len(keys), dtype=np.uint64) + np.uint64(module._IDS.get(name, 50))
        ),
    }.items(),
    ids=lambda item: item[0],
)
def test_one_stream_of_two_replicas(monkeypatch, change):
    for place in (module, checks_of_streams):
        monkeypatch.setattr(place, "keys_of", of_keys(change[1]))
    assert {DISTINCT, APART} <= broken().keys()


def test_streams_of_users_kinds_are_checked(monkeypatch):
    """Kinds and networks that a user's theory names have streams too."""
    law = ts.SampledLaw(CONFIG.label_tree, ["clear", "faint"], lambda streams, samples, shares, dictionary: None)
    monkeypatch.setattr(ts.Config, "networks", ("only",))
    names = checks_of_streams.purposes(CONFIG, law)
    assert {"training", "init only", "test faint", "curve clear"} <= set(names)
    assert len(set(names)) == len(names)
    assert "noise" not in names
    assert "noise" in checks_of_streams.purposes(CONFIG.replace({"record.noise": True}), law)


def test_keys_of_which_half_is_used(monkeypatch):
    """Keys are distinct and numbers are not."""
    right = Streams.__init__

    def half(self, keys, *rest, **more):
        right(self, keys & np.uint64(0xF), *rest, **more)

    monkeypatch.setattr(Streams, "__init__", half)
    assert list(broken()) == [APART]


def test_calls_that_begin_where_the_last_began(monkeypatch):
    """The second call gives the numbers of the first; the last tile of one call is the first of the next."""
    right = Streams._fill

    def again(back):
        def fill(self, law, out, scale):
            right(self, law, out, scale)
            self._tiles -= np.uint64(back)

        return fill

    monkeypatch.setattr(Streams, "_fill", again(1))
    assert list(broken()) == [APART]


# What a run draws.


def test_a_run_draws_no_number_twice(monkeypatch, tmp_path):
    """Each purpose has a key of its own, and training, the test and the initial weights draw each number once."""
    purpose_of, drawn = {}, Counter()
    right_keys, right_fill = module.keys_of, Streams._fill

    def keys(seed, name, replicas):
        found = right_keys(seed, name, replicas)
        purpose_of.update({int(key): name for key in found})
        return found

    def fill(self, law, out, scale):
        before = self._tiles.copy()
        right_fill(self, law, out, scale)
        for key, first, last in zip(self._keys, before, self._tiles, strict=True):
            drawn.update((int(key), tile) for tile in range(int(first), int(last)))

    monkeypatch.setattr(module, "keys_of", keys)
    monkeypatch.setattr(Streams, "_fill", fill)
    (tmp_path / "tiny.yaml").write_text(TINY)
    ts.run(ts.load_config(tmp_path / "tiny.yaml"), tmp_path)
    often = {purpose_of[key] for (key, _), times in drawn.items() if times > 1}
    assert {"training", "test easy", "test hard", "curve easy", "init coarse", "init fine"} <= {
        purpose_of[key] for key, _ in drawn
    }
    assert not often - {"dictionary", "alignment"}


def patches_of_a_run(training):
    """Directions of the noise of what is trained on, recorded, tested on, and what readouts are fitted on."""
    batches = [training.next_batch() for _ in range(20)]
    batches += [training.curve_batch(kind) for kind in training.kinds]
    batches += [batch for kind in training.kinds for batch in training.test_batches(kind)]
    batches.append(training.draw_target(training.streams("probe"), 100))
    noise = torch.cat([Drawn(training.dictionary).noise(batch).flatten(0, 2) for batch in batches])
    return torch.nn.functional.normalize(noise, dim=-1)


@pytest.mark.parametrize("shared", [None, ("test easy", "training"), ("curve hard", "training"), ("probe", "test hard")])
def test_a_run_uses_no_noise_twice(monkeypatch, shared):
    """Test streams that are the training stream, wherever that comes from, show in the patches themselves."""
    right = Training.streams
    if shared:
        monkeypatch.setattr(Training, "streams", lambda self, name: right(self, shared[1] if name == shared[0] else name))
    training = Training(CONFIG.replace({"test.samples": 300, "test.curve_samples": 100}))
    onto = torch.randn(CONFIG.data.dim, 4, generator=torch.Generator().manual_seed(0))
    check = _not_again((patches_of_a_run(training) @ onto).double().numpy())
    assert check.passed == (shared is None)
