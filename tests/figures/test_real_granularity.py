"""Granularity on real images: a study's table, drawn as it is; and refused where it is absent or of another version."""

import math
import os

import numpy as np
import pandas as pd
import pytest
from made_up import IMAGE_KINDS, image_table, write_images
from matplotlib.container import ErrorbarContainer

from theory_sim.config import Config
from theory_sim.figures import Inputs, real_granularity
from theory_sim.figures.gallery.making import tables
from theory_sim.figures.gallery.source import Source
from theory_sim.figures.gallery.studies import image_commands, image_folders
from theory_sim.figures.gallery.studies import image_table as image_study
from theory_sim.runtime.errors import InputError


@pytest.fixture
def study() -> pd.DataFrame:
    return image_table().assign(images_per_class=math.nan)


def test_the_longest_full_finetuning_is_kept(study):
    table = real_granularity.compute(Config(), Inputs(image_studies=[study]))
    own, controls = table[table.kind != "control"], table[table.kind == "control"]
    assert len(own) == len(IMAGE_KINDS) * 3
    assert set(own.transfer_steps) == {3}
    assert set(own.label_function) == set(IMAGE_KINDS)
    assert set(table.samples) == {"all", "easy-both", "hard-both"}
    assert len(controls) == 2 * 3, "of as many steps in all"


def test_each_size_has_the_controls_of_its_own_steps(study):
    """Only those of the size with the most steps were drawn."""
    sizes = [
        study.assign(images_per_class=20.0),
        study.assign(images_per_class=50.0, pretraining_steps=study.pretraining_steps + 10),
    ]
    table = real_granularity.compute(Config(), Inputs(image_studies=[pd.concat(sizes)]))
    assert table[table.kind == "control"].groupby("images_per_class").size().to_dict() == {20.0: 2 * 3, 50.0: 2 * 3}


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
    image_table().to_csv(folder / "results.csv", index=False)
    with pytest.raises(InputError, match=r"without the file config\.yaml, file examples\.csv, file confusion\.csv"):
        table()
    for name in ("config.yaml", "examples.csv", "confusion.csv"):
        (folder / name).touch()
    pd.testing.assert_frame_equal(table(), real_granularity.compute(Config(), Inputs(image_studies=[study])))
    study.drop(columns="kind").to_csv(folder / "results.csv", index=False)
    with pytest.raises(
        InputError,
        match=r"is of another version, without the column kind; theory-sim pretrain configs/digits.yaml --out .* makes it anew",
    ):
        table()


def test_sizes_of_the_training_set_have_a_row_each(study):
    """The figure drew the table of whatever study of this name had finished last."""
    both = pd.concat([study.assign(images_per_class=20.0, gain=study.gain / 2), study.assign(images_per_class=50.0)])
    table = real_granularity.compute(Config(), Inputs(image_studies=[both]))
    picture = real_granularity.FIGURE.paint(table)
    assert [ax.get_title("left") for ax in picture.axes] == [
        f"{size} training images per class\n{samples} test images" for size in (20, 50) for samples in ("all", "easy", "hard")
    ]
    for ax in picture.axes:
        own = study[(study.samples == ax.get_label().split()[0]) & (study.kind != "control") & (study.transfer_steps == 3)]
        own = own[(own.transfer == "finetune") & (own.kind != "baseline")]
        bars = [c for c in ax.containers if isinstance(c, ErrorbarContainer)]
        drawn = np.concatenate([bar[0].get_xydata()[:, 1] for bar in bars])
        np.testing.assert_allclose(np.sort(drawn), np.sort(100 * own.gain / (2 if "20" in ax.get_label() else 1)))


def test_the_newest_study_of_each_size_is_found_and_its_command_named(tmp_path):
    def write(key: str, seconds: int, seeds: int, images: str) -> None:
        write_images("digits", tmp_path, key)
        folder = tmp_path / "digits" / key
        settings = (
            f"seeds: {seeds}\ndata: {{images_per_class: {images}, path: elsewhere}}\npretraining: {{steps: {20 * seeds + 50}}}\n"
        )
        (folder / "config.yaml").write_text(settings, encoding="utf-8")
        os.utime(folder / "results.csv", (seconds, seconds))

    write("old", 1, 5, "null")
    write("new", 2, 5, "null")
    write("few", 3, 7, "20")
    assert image_folders("digits", tmp_path) == {20: tmp_path / "digits" / "few", None: tmp_path / "digits" / "new"}
    table = image_study("digits", tmp_path)
    assert table.images_per_class.isna().sum() == (table.images_per_class == 20).sum() == len(image_table())
    whole = f"theory-sim pretrain configs/digits.yaml --out {tmp_path}"
    changed = "--set data.images_per_class=20 --set seeds=7 --set pretraining.steps=190"
    few = f"theory-sim pretrain configs/digits.yaml {changed} --out {tmp_path}"
    assert image_commands("digits", tmp_path) == [few, whole]
