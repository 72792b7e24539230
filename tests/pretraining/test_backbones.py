"""Networks that start from the weights of any image model of `transformers`."""

import json

import pytest
import torch

import theory_sim as ts
from theory_sim.pretraining import study
from theory_sim.pretraining.backbones import load_backbone
from theory_sim.pretraining.config import Architecture, load_study
from theory_sim.pretraining.datasets import index as index_module
from theory_sim.pretraining.models import Classifier
from theory_sim.runtime.errors import InputError


@pytest.fixture(scope="module")
def backbones(tmp_path_factory):
    """Tiny models with random weights, as the hub has them: with a pooler, saved with a classifier and without it, with batch
    normalisation, and as a pickle."""
    import transformers

    root = tmp_path_factory.mktemp("backbones")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "patch_size": 8}
    shape = transformers.ViTConfig(**sizes, image_size=16)
    transformers.ViTModel(shape).save_pretrained(root / "vit")
    transformers.ViTForImageClassification(shape).save_pretrained(root / "vit-classifier")
    said = {"image_mean": [0.5] * 3, "image_std": [0.25] * 3, "crop_size": {"height": 16, "width": 16}}
    (root / "vit" / "preprocessor_config.json").write_text(json.dumps(said))
    shape = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1], layer_type="basic")
    transformers.ResNetModel(shape).save_pretrained(root / "resnet")
    (root / "pickled").mkdir()
    (root / "pickled" / "config.json").write_text((root / "vit" / "config.json").read_text())
    torch.save(transformers.ViTModel(transformers.ViTConfig(**sizes)).state_dict(), root / "pickled" / "pytorch_model.bin")
    return root


@pytest.mark.parametrize(("name", "features", "side"), [("vit", 16, 16), ("vit-classifier", 16, 16), ("resnet", 12, 16)])
def test_networks_start_from_the_weights(name, features, side, backbones):
    """Two seeds have the same body and other heads; the colours are normalised as the model says."""
    model = Architecture(pretrained=str(backbones / name), image_size=side)
    one, other = (Classifier(model, 3, seed).eval() for seed in (0, 1))
    assert model.name == "pretrained"
    assert one.head.in_features == features
    for (key, value), (_, same) in zip(one.body.state_dict().items(), other.body.state_dict().items(), strict=True):
        assert torch.equal(value, same) or "pooler" in key
    assert not torch.equal(one.head.weight, other.head.weight)
    images = torch.randint(0, 256, (4, 3, side, side), dtype=torch.uint8)
    assert torch.equal(one.body(images.float()), other.body(images.float())), "no random weights are used"
    if name == "vit":
        import transformers

        own = transformers.AutoModel.from_pretrained(backbones / name).eval()
        pixels = (images.float() / 255 - 0.5) / 0.25
        torch.testing.assert_close(one(images), one.head(own(pixel_values=pixels).pooler_output))


@pytest.mark.parametrize("name", ["vit", "resnet"])
def test_the_last_block_learns_and_the_others_do_not(name, backbones):
    model = Classifier(Architecture(pretrained=str(backbones / name), image_size=16), 3, 0)
    model.train_only("last_block")
    learning = {key for key, value in model.named_parameters() if value.requires_grad}
    frozen = {key for key, value in model.named_parameters() if not value.requires_grad}
    last = {"vit": "layers.1.", "resnet": "stages.1."}[name]
    assert all(last in key or "norm" in key or "pooler" in key or "head" in key for key in learning)
    assert any(last in key for key in learning)
    assert frozen
    assert not any(last in key for key in frozen)


def test_a_study_starts_from_weights_and_its_networks_are_loaded(settings, backbones, tmp_path):
    unsaid = [text for text in settings if not text.startswith("model")]
    own = [*unsaid, f"model.pretrained={backbones / 'vit'}", "seeds=1", "labels.functions=[leaf]", "keep=weights"]
    outcome = study.run_study(load_study(None, own), tmp_path / "out")
    assert not outcome.failures
    assert outcome.study.model.side == 16
    model = ts.load_classifier(outcome.folder, steps=8)
    assert model.classes == ("birds", "fish")
    assert model(torch.zeros(2, 3, 16, 16)).shape == (2, 2)
    start = Classifier(outcome.study.model, 2, 0)
    assert not torch.equal(model.head.weight, start.head.weight)
    again = study.run_study(load_study(outcome.folder / "config.yaml"), tmp_path / "out")
    assert again.folder == outcome.folder


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("pretrained: DIR/pickled", r"model\.pretrained: cannot load the vision model .* from safetensors"),
        ("pretrained: DIR/absent", r"model\.pretrained: no such folder"),
        ("pretrained: nobody/absent", r"model\.pretrained: cannot load the vision model 'nobody/absent' from safetensors"),
        ("pretrained: DIR/vit, image_size: 24", r"model\.pretrained: .* takes no images of 24 × 24 pixels"),
        ("pretrained: DIR/vit, name: resnet18", "name: resnet18 and pretrained: .* do not fit together"),
        ("name: pretrained", "name: pretrained needs the key pretrained"),
    ],
)
def test_wrong_weights_are_refused_before_any_image_is_read(model, message, settings, backbones, tmp_path, monkeypatch):
    monkeypatch.setattr(index_module, "look_at", lambda *_, **__: pytest.fail("an image was read"))
    unsaid = [text for text in settings if not text.startswith("model")]
    with pytest.raises(InputError, match=message):
        study.run_study(load_study(None, [*unsaid, f"model={{{model.replace('DIR', str(backbones))}}}"]), tmp_path / "out")


def test_batch_normalisation_of_other_weights_needs_two_images_in_a_part(settings, backbones, tmp_path):
    unsaid = [text for text in settings if not text.startswith("model")]
    own = load_study(None, [*unsaid, f"model={{pretrained: {backbones / 'resnet'}, image_size: 16}}", "pretraining.batch=1"])
    with pytest.raises(InputError, match=r"pretraining: .*resnet normalises over the images of a part of a batch"):
        study.run_study(own, tmp_path / "out")


def test_a_folder_with_the_name_of_a_hub_model_is_not_taken_for_it(backbones, monkeypatch):
    monkeypatch.chdir(backbones)
    with pytest.raises(InputError, match=r"model\.pretrained: 'vit' may be a folder here or a name of the hub: write \./vit"):
        load_backbone("vit", "model.pretrained")
    assert load_backbone("./vit", "model.pretrained").side == 16


def test_a_model_that_lacks_weights_is_refused(backbones, tmp_path):
    """Its missing weights would be random ones."""
    import transformers

    shape = transformers.ViTConfig.from_pretrained(backbones / "vit")
    model = transformers.ViTModel(shape)
    weights = {key: value for key, value in model.state_dict().items() if "layers.1" not in key}
    model.save_pretrained(tmp_path / "cut", state_dict=weights)
    with pytest.raises(InputError, match=r"lacks weights of a vit model, such as .*layers\.1"):
        load_backbone(str(tmp_path / "cut"), "model.pretrained")
