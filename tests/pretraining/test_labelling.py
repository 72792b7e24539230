"""Label functions on images: one registry with the simulator, clusters, hypernyms, equal numbers of images, embeddings."""

import json
import logging

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from image_folders import make_folder
from sklearn.metrics import adjusted_rand_score

from theory_sim.labels.functions import LABEL_FUNCTIONS, label_function, most_frequent
from theory_sim.labels.tree import LabelTree
from theory_sim.pretraining.config import Labels
from theory_sim.pretraining.datasets import Data, load_data
from theory_sim.pretraining.datasets.wordnet import imagenet21k
from theory_sim.pretraining.embedding import embed
from theory_sim.pretraining.evaluation import readouts
from theory_sim.pretraining.labelling import labelling, share_out
from theory_sim.pretraining.loading.images import View
from theory_sim.runtime.errors import InputError


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return load_data(Data(), tmp_path_factory.mktemp("digits"))


def labelled(text, data, **keys):
    return labelling(text, data, Labels(**keys), lambda: embed("pixels", data.images, data.train.tolist(), 8))


@pytest.mark.parametrize(
    ("text", "classes", "inside"),
    [
        ("level(1)", 2, 1),
        ("leaf", 10, 1),
        ("mixed(1, 2)", 7, 1),
        ("random(10)", 10, 0),
        ("misaligned(4)", 4, 0),
        ("group(parity)", 2, 0),
        ("cluster-within(5)", 10, 1),
        ("sample-id", 1295, 1),
    ],
)
def test_every_function_reports_its_classes_and_alignment(digits, text, classes, inside):
    found = labelled(text, digits)
    assert (found.n_classes, found.alignment.n_classes, found.alignment.inside) == (classes, classes, inside)
    assert len(found.targets) == len(digits.train) == 1295
    assert int(found.targets.max()) == classes - 1
    coarse = digits.coarse[digits.train]
    if inside == 1:
        assert torch.equal(found.parent[found.targets], coarse)
        assert found.alignment.purity == 1
    else:
        assert found.alignment.adjusted_mutual_information < 0.15  # parity: 3 of the 4 digits with a loop are even
    counts = torch.bincount(found.targets)
    assert (found.least, found.most) == (int(counts.min()), int(counts.max()))


def test_clusters_find_the_digits_better_than_chance(digits):
    found = labelled("cluster(10)", digits)
    assert adjusted_rand_score(digits.leaf[digits.train], found.targets) > 0.5
    assert found.alignment.purity > 0.8
    assert torch.equal(labelled("cluster(10)", digits).targets, found.targets)


def test_the_simulator_refuses_what_only_images_have():
    for text in ("cluster(3)", "cluster-within(2)"):
        with pytest.raises(InputError, match="needs a finite set of samples"):
            label_function(text, LabelTree.of(2, 3))
    with pytest.raises(InputError, match="this data set has none"):
        label_function("group(kingdom)", LabelTree.of(2, 3))
    assert {"cluster", "level", "hypernym"} <= set(LABEL_FUNCTIONS)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 5)), min_size=1))
def test_the_most_frequent_class_is_what_counting_gives(rows):
    labels = {label: place for place, label in enumerate(sorted({row[0] for row in rows}))}
    label, coarse, weight = (torch.tensor(column) for column in zip(*((labels[a], b, c) for a, b, c in rows), strict=True))
    mass = torch.zeros(len(labels), 4)
    mass.index_put_((label, coarse), weight.float(), accumulate=True)
    assert torch.equal(most_frequent(label, coarse, weight.double()), mass.argmax(1))


def test_more_clusters_than_images_are_refused(digits, tmp_path):
    with pytest.raises(InputError, match=r"cluster.2000.: the 1295 samples can be divided into 1 to 1295 clusters, not 2000"):
        labelled("cluster(2000)", digits)
    with pytest.raises(InputError, match=r"cluster-within.900.: the \d+ samples of the smallest coarse class can be divided"):
        labelled("cluster-within(900)", digits)
    same = load_data(Data(), tmp_path)
    same.images.pixels[:] = 7
    with pytest.raises(InputError, match="2 clusters of 1295 samples, of which fewer than that are different"):
        labelled("cluster(2)", same)


def test_equal_images_per_class_and_equal_totals(digits):
    for text in ("level(1)", "leaf", "cluster(5)"):
        found = labelled(text, digits, images_per_class=30)
        assert (found.least, found.most, len(found.used)) == (30, 30, 30 * found.n_classes)
        found = labelled(text, digits, total_images=333)
        assert len(found.used) == len(found.used.unique()) == 333
        assert found.most - found.least <= 1
    with pytest.raises(InputError, match="images_per_class: 500, but leaf has a class of"):
        labelled("leaf", digits, images_per_class=500)
    with pytest.raises(InputError, match=r"total_images: from 10 \(the classes of leaf\) to 1295 images, got 5"):
        labelled("leaf", digits, total_images=5)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=8), st.data())
def test_shares_are_as_equal_as_the_sizes_allow(sizes, data):
    total = data.draw(st.integers(len(sizes), sum(sizes)))
    shares = share_out(total, sizes)
    assert sum(shares) == total
    for share, size in zip(shares, sizes, strict=True):
        assert 1 <= share <= size
        assert share == size or share >= max(shares) - 1


def test_hypernyms_are_multi_hot(tmp_path):
    synsets = sorted(imagenet21k().classes[::4000])
    make_folder(tmp_path / "images", 8, {synset: 30 * place for place, synset in enumerate(synsets)})
    data = load_data(Data(source="imagenet", path=str(tmp_path / "images")), tmp_path)
    rows, n = imagenet21k().targets(3, synsets)
    found = labelled("hypernym(3)", data)
    assert found.n_classes == n
    assert torch.equal(found.targets, rows[data.leaf[data.train]])
    assert (found.least, found.most) == (
        int(counts := torch.bincount(found.targets[found.targets >= 0]).min()),
        max(counts, found.most),
    )
    with pytest.raises(InputError, match="unknown synset '0'"):
        labelled("hypernym(3)", load_data(Data(), tmp_path))


def test_the_parent_of_a_hypernym_is_the_class_of_most_of_its_images(tmp_path):
    """It was class 0 for every label, so that no readout of such a network meant anything."""
    toys, dogs = ["n03219135", "n03548402", "n04399382"], ["n02085620", "n02085782"]
    classes = {f"toys/{name}": 10 * place for place, name in enumerate(toys)}
    classes |= {f"dogs/{name}": 200 + 10 * place for place, name in enumerate(dogs)}
    data = load_data(Data(source="tree", path=str(make_folder(tmp_path / "images", 8, classes))), tmp_path)
    own = labelled("hypernym(0)", data)
    assert torch.equal(own.parent[own.targets[:, 0]], data.coarse[data.train])
    above = labelled("hypernym(1)", data)
    assert above.n_classes == 2
    assert torch.equal(above.parent[above.targets[:, 0]], data.coarse[data.train])
    logits = 20 * torch.nn.functional.one_hot(own.targets[:, 0], own.n_classes).float() - 10
    for name, read in readouts(own.parent, 2, several=True).items():
        assert torch.equal(read(logits).argmax(1), data.coarse[data.train]), name


def test_a_network_of_several_labels_is_read_by_the_sigmoids_that_it_was_trained_with():
    logits = torch.tensor([[4.0, 4.0, 6.0], [-200.0, -200.0, -190.0]])
    shares = readouts(torch.tensor([0, 0, 1]), 2, several=True)["sum_probabilities"](logits)
    p = logits[0].double().sigmoid()
    expected = torch.stack([p[:2].sum(), p[2]]) / p.sum()
    torch.testing.assert_close(shares[0].double(), expected, rtol=1e-5, atol=0)
    assert shares.argmax(1).tolist() == [0, 1]  # by softmax the first image's answer is 1
    assert torch.isfinite(shares).all()


@pytest.mark.parametrize("synset", ["n04399382", "n03964744"], ids=["of ImageNet-1k alone", "an ancestor"])
def test_hypernyms_take_every_synset_that_the_folders_take(synset, tmp_path):
    """The folder source accepted the one class that ImageNet-21k lacks, and ancestors of classes; ``hypernym`` refused them."""
    folder = make_folder(tmp_path / "images", 8, {synset: 20, "n01440764": 200})
    data = load_data(Data(source="imagenet", path=str(folder)), tmp_path)
    found = labelled("hypernym(1)", data)
    assert found.n_classes == 2
    rows, n = imagenet21k().targets(1, [synset, "n03219135"])
    assert (n, rows[0].tolist() == rows[1].tolist()) == ((1, True) if synset == "n04399382" else (2, False))


@pytest.fixture(scope="module")
def vision_models(tmp_path_factory):
    """Two tiny models with random weights, saved as the hub has them, and one saved as pickles would be."""
    import transformers

    root = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    vision = transformers.CLIPVisionConfig(**sizes, image_size=16, patch_size=8, projection_dim=12)
    text = transformers.CLIPTextConfig(**sizes, vocab_size=20, max_position_embeddings=8, projection_dim=12)
    clip = transformers.CLIPModel(transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=12))
    clip.save_pretrained(root / "clip")
    (root / "clip" / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": [0.5] * 3, "image_std": [0.25] * 3, "crop_size": {"height": 16, "width": 16}})
    )
    vit = transformers.ViTModel(transformers.ViTConfig(**sizes, image_size=24, patch_size=8))
    vit.save_pretrained(root / "vit")
    (root / "pickled").mkdir()
    (root / "pickled" / "config.json").write_text((root / "vit" / "config.json").read_text())
    torch.save(vit.state_dict(), root / "pickled" / "pytorch_model.bin")
    return root, clip.eval()


def test_clip_embeddings_are_the_models_own(vision_models, folder, tmp_path):
    root, clip = vision_models
    data = load_data(Data(source="tree", path=str(folder)), tmp_path / "keep")
    rows = embed(str(root / "clip"), data.images, list(range(40)), 8)

    pixels = (data.images.batch([5], View(16)).float() / 255 - 0.5) / 0.25
    with torch.no_grad():
        expected = clip.visual_projection(clip.vision_model(pixel_values=pixels).pooler_output)
    torch.testing.assert_close(rows[5:6], expected, rtol=1e-4, atol=1e-5)
    assert rows.shape == (40, 12)
    assert embed(str(root / "vit"), data.images, [0, 1], 8).shape == (2, 16)
    found = labelling("cluster(4)", data, Labels(), lambda: rows[data.train])
    assert found.n_classes == 4


def test_pickled_weights_and_absent_models_are_refused(vision_models, folder, tmp_path):
    root, _ = vision_models
    data = load_data(Data(source="tree", path=str(folder)), tmp_path / "keep")
    for name in (str(root / "pickled"), "nobody/absent"):
        with pytest.raises(InputError, match=r"labels.embedding: cannot load the vision model .* from safetensors"):
            embed(name, data.images, [0], 8)
    with pytest.raises(InputError, match=r"labels\.embedding: no such folder"):
        embed(str(root / "absent"), data.images, [0], 8)
    assert not logging.getLogger("huggingface_hub").isEnabledFor(logging.WARNING)  # nothing is said twice
