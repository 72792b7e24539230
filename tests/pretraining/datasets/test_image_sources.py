"""The package's own image sources."""

import shutil

import numpy as np
import pytest
from image_folders import make_folder, save_image

from theory_sim.pretraining.datasets import Data, load_data
from theory_sim.runtime.errors import InputError


def test_digits(tmp_path):
    from sklearn.datasets import load_digits

    data = load_data(Data(test_share=0.25), tmp_path)
    assert len(data.images) == 1797
    for number in (0, 5, 1000):
        digit = int(load_digits().target[number])
        name = data.hierarchy.names[data.hierarchy.tree.leaves[int(data.leaf[number])]]
        assert name == ("loop/" if digit in (0, 6, 8, 9) else "no loop/") + str(digit)
        assert int(data.hierarchy.groups["parity"][data.leaf[number]]) == digit % 2
        np.testing.assert_allclose(data.images.pixels[number, 1] / 255 * 16, load_digits().images[number], atol=0.04)


@pytest.fixture
def hub_folder(tmp_path, monkeypatch):
    """A data set in the hub's form, with a coarse and a fine label, and one damaged image."""
    import datasets

    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "coarse": datasets.ClassLabel(names=["birds", "fish"]),
            "fine": datasets.Value("int64"),
        }
    )
    rows = {"image": [], "coarse": [], "fine": []}
    for number in range(24):
        content = save_image(tmp_path / "one.jpg", 10 * number).read_bytes() if number else b"damaged"
        rows["image"].append({"bytes": content, "path": None})
        rows["coarse"].append(number % 2)
        rows["fine"].append(number % 4)
    (tmp_path / "hub").mkdir()
    datasets.Dataset.from_dict(rows, features).to_parquet(str(tmp_path / "hub" / "train.parquet"))
    return tmp_path / "hub"


def test_a_data_set_of_the_hub_is_streamed_into_folders(hub_folder, tmp_path):
    settings = Data(
        source="huggingface", path=str(hub_folder), columns=["coarse", "fine"], damaged_share=0.1, validation_share=0.3
    )
    data = load_data(settings, tmp_path / "keep")
    expected = ("birds", "fish", "birds/000000", "birds/000002", "fish/000001", "fish/000003")
    assert data.hierarchy.names == expected
    assert (len(data.images), list(data.damaged.values())) == (23, [1])
    with pytest.raises(InputError, match="cannot stream the Hugging Face data set 'nobody/absent'"):
        load_data(settings.model_copy(update={"path": "nobody/absent"}), tmp_path / "keep")
    shutil.rmtree(hub_folder)
    with pytest.raises(InputError, match=r"data\.path: no such folder"):
        load_data(settings, tmp_path / "keep")


def test_a_column_that_the_hub_does_not_have_is_named(hub_folder, tmp_path):
    with pytest.raises(InputError, match="no column 'label'; it has image, coarse, fine"):
        load_data(Data(source="huggingface", path=str(hub_folder)), tmp_path)


def test_inaturalist_is_loaded_with_its_ranks(tmp_path):
    animal, plant = "00000_Animalia_Annelida_Clitellata_Haplotaxida_A_B", "04345_Plantae_Tracheophyta_Magnoliopsida_Rosales_A_B"
    make_folder(tmp_path / "train_mini", 5, {f"{animal}_one": 40, f"{animal}_two": 90, f"{plant}_one_2": 200})
    make_folder(tmp_path / "val", 2, {f"{animal}_one": 40, f"{plant}_one_2": 200}, seed=7)
    settings = Data(source="inat2021", path=str(tmp_path / "train_mini"), test_path=str(tmp_path / "val"), validation_share=0.2)
    data = load_data(settings, tmp_path / "keep")
    assert [len(part) for part in (data.train, data.validation, data.test)] == [12, 3, 4]
    assert data.coarse[data.test].tolist() == [0, 0, 1, 1]
    assert [level.classes for level in data.hierarchy.levels] == [2, 2, 2, 2, 2, 3, 2, 2]
    (tmp_path / "val" / "birds").mkdir()
    save_image(tmp_path / "val/birds/a.jpg", 3)
    with pytest.raises(InputError, match="'birds' is no iNaturalist 2021 folder"):
        load_data(settings, tmp_path / "keep")


@pytest.mark.parametrize("name", ["n00000000", "cat"])
def test_unknown_synsets_are_named(name, tmp_path):
    make_folder(tmp_path / "images", 2, {"n01440764": 5, name: 8})
    with pytest.raises(InputError, match=name):
        load_data(Data(source="imagenet", path=str(tmp_path / "images")), tmp_path)
