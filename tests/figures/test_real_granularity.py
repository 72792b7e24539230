"""Granularity on real images: a study's table, drawn as it is; and refused where it is absent or of another version."""

import numpy as np
import pandas as pd
import pytest
from made_up import IMAGE_KINDS, image_table
from matplotlib.container import ErrorbarContainer

from theory_sim.config import Config
from theory_sim.figures import Inputs, real_granularity
from theory_sim.figures.gallery.making import tables
from theory_sim.figures.gallery.source import Source
from theory_sim.runtime.errors import InputError


@pytest.fixture
def study() -> pd.DataFrame:
    return image_table()


def test_the_longest_full_finetuning_is_kept(study):
    table = real_granularity.compute(Config(), Inputs(image_studies=[study]))
    own, controls = table[table.kind != "control"], table[table.kind == "control"]
    assert len(own) == len(IMAGE_KINDS) * 3
    assert set(own.transfer_steps) == {3}
    assert set(own.label_function) == set(IMAGE_KINDS)
    assert set(table.samples) == {"all", "easy-both", "hard-both"}
    assert len(controls) == 2 * 3, "of as many steps in all"


def test_every_estimate_is_drawn_with_its_interval(study):
    table = real_granularity.compute(Config(), Inputs(image_studies=[study]))
    for ax in real_granularity.FIGURE.paint(table).axes:
        own = table[(table.samples == ax.get_label()) & (table.kind != "control")]
        bars = [c for c in ax.containers if isinstance(c, ErrorbarContainer)]
        drawn = np.concatenate([bar[0].get_xydata() for bar in bars])
        np.testing.assert_allclose(np.sort(drawn[:, 1]), np.sort(100 * own.gain))
        # Moved apart by less than a fifth, so that none is taken for another number of classes.
        assert np.abs(np.log(np.sort(drawn[:, 0]) / np.sort(own.classes))).max() < 0.2
        ends = np.concatenate([segment[:, 1] for bar in bars for segment in bar[2][0].get_segments()])
        np.testing.assert_allclose(np.sort(ends), np.sort(np.concatenate([100 * own.gain_low, 100 * own.gain_high])))
        assert {bar.get_label() for bar in bars} == {"level", "cluster", "random"}
        lines = {line.get_label(): set(line.get_ydata()) for line in ax.get_lines()}
        assert lines["control: width"] == {0.5}
        assert lines["control: augmentation"] == {-1.5}


def test_the_newest_table_is_read_and_others_are_refused(study, tmp_path):
    def table():
        ((_, made),) = tables([real_granularity.FIGURE], Source(Config(), tmp_path, "cpu"))
        return made

    with pytest.raises(InputError, match=r"digits/…/results.csv; theory-sim pretrain configs/digits.yaml --out .* makes it"):
        table()
    folder = tmp_path / "digits" / "0123"
    folder.mkdir(parents=True)
    study.to_csv(folder / "results.csv", index=False)
    with pytest.raises(InputError, match=r"without the file examples\.csv, file confusion\.csv"):
        table()
    for name in ("examples.csv", "confusion.csv"):
        (folder / name).touch()
    pd.testing.assert_frame_equal(table(), real_granularity.compute(Config(), Inputs(image_studies=[study])))
    study.drop(columns="kind").to_csv(folder / "results.csv", index=False)
    with pytest.raises(
        InputError,
        match=r"is of another version, without the column kind; theory-sim pretrain configs/digits.yaml --out .* makes it anew",
    ):
        table()
