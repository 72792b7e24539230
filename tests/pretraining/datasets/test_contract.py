"""The package's own image sources keep the contract, and every fault fails its own check."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from image_folders import CLASSES, make_folder, save_image

from theory_sim.pretraining.datasets import IMAGE_SOURCES, Data, ImageData, image_source, load_data
from theory_sim.testing.image_sources import CHECKS, CONTENT, check_image_source

INAT = [
    "00000_Animalia_Annelida_Clitellata_Haplotaxida_A_B_one",
    "00001_Animalia_Annelida_Clitellata_Haplotaxida_A_B_two",
    "04345_Plantae_Tracheophyta_Magnoliopsida_Rosales_A_B_c",
]
LEAVES = {"tree": list(CLASSES), "inat2021": INAT, "imagenet": ["n01440764", "n04399382"]}


@pytest.mark.parametrize("source", LEAVES)
def test_folders_keep_the_contract(source, tmp_path):
    classes = {name: 30 + 40 * place for place, name in enumerate(LEAVES[source])}
    folder = make_folder(tmp_path / "images", 8, classes)
    data = Data(source=source, path=str(folder), test_share=0.25, validation_share=0.2)
    first = folder / LEAVES[source][0] / "000_0.jpg"
    assert check_image_source(data, tmp_path / "keep", change=lambda: save_image(first, 250, size=(50, 40))) == []


def test_digits_keep_the_contract(tmp_path):
    assert check_image_source(Data(), tmp_path) == []


FAULTS: dict[str, Callable[[ImageData, int], ImageData]] = {
    "splits are disjoint": lambda d, _: replace(d, validation=torch.cat([d.validation, d.test[:1]])),
    "splits are not empty": lambda d, _: replace(d, validation=d.validation[:0]),
    "splits name images": lambda d, _: replace(d, test=torch.cat([d.test, torch.tensor([5000])])),
    "every image has a leaf": lambda d, _: replace(d, leaf=torch.cat([d.leaf, d.leaf[:1]])),
    "every leaf is trained on": lambda d, _: replace(d, train=d.train[d.leaf[d.train] != 3]),
    "nodes are named": lambda d, _: replace(d, hierarchy=replace(d.hierarchy, names=d.hierarchy.names[::-1])),
    "groups are partitions": lambda d, _: replace(d, hierarchy=replace(d.hierarchy, groups={"odd": torch.arange(3)})),
    "images can be read": lambda d, _: replace(d, images=replace(d.images, pixels=d.images.pixels.repeat(1, 1, 1, 2))),
    "reading is repeatable": lambda d, load: replace(d, images=replace(d.images, pixels=d.images.pixels + (load == 1))),
    "loading is repeatable": lambda d, load: replace(d, fingerprint=f"{load}"),
    "the seed decides the splits": lambda d, load: replace(d, test=torch.arange(9), fingerprint="always"),
    CONTENT: lambda d, _: d,
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_fails_by_name(name, tmp_path):
    loads: list[int] = []

    @image_source("faulty", "digits with a fault", needs_path=False)
    def faulty(data: Data, keep: Path, on_progress: object) -> ImageData:
        loads.append(len(loads))
        return FAULTS[name](load_data(Data(seed=data.seed), keep), loads[-1])

    try:
        findings = check_image_source(Data(source="faulty"), tmp_path, change=(lambda: None) if name == CONTENT else None)
    finally:
        IMAGE_SOURCES.remove("faulty")
    assert name in {finding.check for finding in findings}


def test_every_check_has_a_fault():
    assert set(FAULTS) == {*CHECKS, CONTENT}
