"""Label sets of real images: ImageNet-21k's levels, iNaturalist's ranks, folder trees."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from theory_sim import cli
from theory_sim.pretraining import summary
from theory_sim.pretraining.datasets import derive_edges, inat2021, wordnet
from theory_sim.pretraining.datasets.hierarchies import Hierarchy
from theory_sim.pretraining.training.objective import multi_hot
from theory_sim.runtime.errors import InputError

CLASSES = [21843, 5995, 2281, 1038, 519, 285, 160, 92, 58, 38]
SEVERAL = [0, 453, 1560, 2676, 3999, 4914, 5324, 5226, 4584, 3361]
SPECIES = {
    "04345_Plantae_Tracheophyta_Magnoliopsida_Rosales_Rosaceae_Rosa_rugosa": "Plants",
    "05729_Fungi_Basidiomycota_Agaricomycetes_Agaricales_Amanitaceae_Amanita_muscaria": "Fungi",
    "00153_Animalia_Arthropoda_Insecta_Coleoptera_Coccinellidae_Harmonia_axyridis": "Insects",
    "03111_Animalia_Chordata_Aves_Accipitriformes_Accipitridae_Accipiter_badius": "Birds",
    "04859_Animalia_Chordata_Reptilia_Squamata_Colubridae_Lampropeltis_triangulum": "Reptiles",
    "04597_Animalia_Chordata_Mammalia_Carnivora_Canidae_Canis_lupus": "Mammals",
    "02755_Animalia_Chordata_Actinopterygii_Perciformes_Labridae_Thalassoma_bifasciatum": "Ray-finned Fishes",
    "02686_Animalia_Chordata_Amphibia_Anura_Bufonidae_Anaxyrus_boreas": "Amphibians",
    "00010_Animalia_Arthropoda_Arachnida_Araneae_Araneidae_Araneus_sp_2_cf_diadematus": "Arachnids",
    "05300_Animalia_Mollusca_Gastropoda_Nudibranchia_Chromodorididae_Felimare_picta": "Mollusks",
    "00000_Animalia_Annelida_Clitellata_Haplotaxida_Lumbricidae_Lumbricus_terrestris": "Animalia",
}


@pytest.fixture
def command(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["theory-sim", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return stop.value.code, *capsys.readouterr()

    return run


def test_the_shipped_table_gives_the_papers_label_sets(command, tmp_path):
    code, out, err = command("hierarchy", "imagenet21k", "--json", tmp_path / "levels.json")
    assert (code, err) == (0, "")
    rows = [[int(cell) for cell in line.strip("│ \n").split("│")] for line in out.splitlines() if line.startswith("│")]
    assert rows == [[k, CLASSES[k], SEVERAL[k]] for k in range(10)]
    levels = json.loads((tmp_path / "levels.json").read_text())
    assert [(level["classes"], level["classes_with_several"]) for level in levels] == list(zip(CLASSES, SEVERAL, strict=True))


def test_targets_are_multi_hot_where_a_class_has_several_ancestors():
    rows, n = wordnet.imagenet21k().targets(1)
    hot = multi_hot(rows[:3000], n)
    assert (n, hot.shape) == (5995, (3000, 5995))
    assert torch.equal(hot.sum(1), (rows[:3000] >= 0).sum(1))
    assert int(((rows >= 0).sum(1) > 1).sum()) == 453
    few, n_few = wordnet.imagenet21k().targets(9, ["n01440764", "n02102040"])
    assert n_few == len({int(label) for label in few.ravel() if label >= 0})
    assert "n04399382" not in wordnet.imagenet21k().classes
    with pytest.raises(InputError, match="unknown synset 'n99999999'"):
        wordnet.imagenet21k().targets(1, ["n99999999"])


def test_the_table_is_derived_by_direct_hypernyms_only(tmp_path, monkeypatch):
    lines = [
        "  1 a licence line",
        "00000001 03 n 01 entity 0 000 | all",
        "00000002 03 n 02 thing 0 object 1 002 @ 00000001 n 0000 ~ 00000003 n 0000 | a",
        "00000003 03 n 0a a 0 b 0 c 0 d 0 e 0 f 0 g 0 h 0 i 0 j 0 003 @ 00000002 n 0000 @ 00000001 n 0000 @i 00000004 n 0000 | b",
        "00000004 03 n 01 other 0 001 @ 00000001 n 0000 | c",
    ]
    (tmp_path / "data.noun").write_text("\n".join(lines) + "\n")
    (tmp_path / "classes").write_text("n00000003\n")
    table = "-n00000001\n-n00000002 n00000001\n+n00000003 n00000001 n00000002\n"
    assert derive_edges.derive(tmp_path / "data.noun", tmp_path / "classes") == table
    (tmp_path / "classes").write_text("n00000009\n")
    with pytest.raises(InputError, match="n00000009 is no noun synset"):
        derive_edges.derive(tmp_path / "data.noun", tmp_path / "classes")


def test_no_other_command_loads_the_pipeline():
    code = "import sys, theory_sim, theory_sim.cli; print([m for m in sys.modules if 'pretraining' in m or m == 'transformers'])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(("folder", "expected"), SPECIES.items(), ids=SPECIES.values())
def test_supercategories_from_official_names(folder, expected):
    assert inat2021.inat_path(folder)[0] == expected


def test_the_species_keeps_its_underscores_and_numbers():
    ranks = inat2021.inat_ranks("00010_Animalia_Arthropoda_Arachnida_Araneae_Araneidae_Araneus_sp_2_cf_diadematus")
    assert (ranks["genus"], ranks["species"]) == ("Araneus", "sp_2_cf_diadematus")


@pytest.mark.parametrize(
    "folder",
    [
        "birds",
        "153_Animalia_Arthropoda_Insecta_Coleoptera_Coccinellidae_Harmonia_axyridis",
        "00001_Animalia_Chordata_Aves_X_Y_Z",
        "00001_Animalia__Aves_X_Y_Z_w",
        "00001_Chromista_Ochrophyta_Phaeophyceae_Laminariales_Laminariaceae_Laminaria_digitata",
    ],
)
def test_any_other_folder_is_named_in_an_error(folder):
    with pytest.raises(InputError, match=folder):
        inat2021.inat_path(folder)


def test_inaturalist_levels_on_generated_folders(tmp_path, command):
    for count, folder in enumerate(SPECIES, start=1):
        (tmp_path / "mini" / folder).mkdir(parents=True)
        for image in range(count):
            (tmp_path / "mini" / folder / f"{image}.jpg").touch()
    levels = {level.name: level for level in summary.summarise("inat2021", tmp_path / "mini")}
    classes = {name: level.classes for name, level in levels.items()}
    assert classes == {"supercategory": 11, "class": 11, "order": 11, "family": 11, "genus": 11, "species": 11} | {
        "kingdom": 3,
        "phylum": 6,
    }
    assert (levels["supercategory"].least, levels["supercategory"].mean, levels["supercategory"].most) == (1, 6, 11)
    assert (levels["kingdom"].least, levels["kingdom"].most) == (1, 63)
    code, out, _ = command("hierarchy", "inat2021", tmp_path / "mini", "--json", tmp_path / "levels.json")
    assert code == 0
    assert "1 supercategory" in out
    samples = {level["name"]: level["samples"] for level in json.loads((tmp_path / "levels.json").read_text())}
    assert samples["supercategory"] == {name: count for count, name in enumerate(SPECIES.values(), start=1)}
    assert samples["kingdom"] == {"Plantae": 1, "Fungi": 2, "Animalia": 63}
    assert {name.rsplit("/", 1)[-1]: count for name, count in samples["species"].items()} == dict(
        zip(SPECIES, range(1, 12), strict=True)
    )


def test_a_tree_of_any_depth_counts_the_files_of_its_folders(tmp_path, command):
    for place, leaf in enumerate(["a/b/c", "a/b/d", "a/e", "f"], start=1):
        (tmp_path / "images" / leaf).mkdir(parents=True)
        for image in range(place):
            (tmp_path / "images" / leaf / f"{image}.png").touch()
    assert command("hierarchy", "tree", tmp_path / "images", "--json", tmp_path / "levels.json")[0] == 0
    assert [level["samples"] for level in json.loads((tmp_path / "levels.json").read_text())] == [
        {"a": 6, "f": 4},
        {"a/b": 3, "a/e": 3, "f": 4},
        {"a/b/c": 1, "a/b/d": 2, "a/e": 3, "f": 4},
    ]


segments = st.lists(st.sampled_from("abc"), min_size=3, max_size=3).map(tuple)


@given(st.sets(segments, min_size=2), st.integers(0, 2))
def test_a_tree_of_paths_is_the_paths(paths, cut):
    paths = sorted(paths)
    if len({path[0] for path in paths}) < 2:
        with pytest.raises(InputError, match="at least 2 coarse classes"):
            Hierarchy.of_paths(paths)
        return
    hierarchy = Hierarchy.of_paths(paths)
    assert [level.classes for level in hierarchy.levels] == [len({path[:depth] for path in paths}) for depth in (1, 2, 3)]
    for path in paths:
        node = hierarchy.tree.leaves[hierarchy.leaf[path]]
        assert [hierarchy.names[above] for above in hierarchy.tree.ancestors(node)] == ["/".join(path[: d + 1]) for d in range(3)]
    if cut:
        with pytest.raises(InputError, match="is a class and holds classes"):
            Hierarchy.of_paths([*paths, paths[0][:cut]])


def test_wrong_folders_are_one_clear_line(tmp_path, command):
    def complaint(*arguments):
        code, out, err = command("hierarchy", *arguments)
        assert (code, out, err.count("\n")) == (2, "", 1)
        return err

    assert "unknown hierarchy 'cifar'" in complaint("cifar")
    assert "needs the folder of images" in complaint("tree")
    assert "takes no folder" in complaint("imagenet21k", tmp_path)
    assert "no such folder" in complaint("tree", tmp_path / "absent")
    (tmp_path / "data").mkdir()
    assert "holds no folders of images" in complaint("tree", tmp_path / "data")
    (tmp_path / "data" / "cats").mkdir()
    (tmp_path / "data" / "cats" / "1.png").touch()
    assert "at least 2 coarse classes are needed, found 1" in complaint("tree", tmp_path / "data")
    (tmp_path / "data" / "dogs").mkdir()
    assert "class dogs is empty" in complaint("tree", tmp_path / "data")
    assert "'cats' is no iNaturalist 2021 folder" in complaint("inat2021", tmp_path / "data")


def test_the_shipped_table_carries_its_licence():
    assert (
        "WordNet 3.0 Copyright 2006 by Princeton University" in (Path(derive_edges.TABLE).parent / "LICENSE.wordnet").read_text()
    )
