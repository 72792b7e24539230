"""Networks for images: a body that makes features, and a linear head with one output per label.

==================================  ==========================================================================
``resnet18``, ``34``, ``50``        residual networks, from `transformers`' configuration
``vit_ti16``, ``vit_s16``, ``b16``  vision transformers with patches of 16 pixels, from `transformers`' configuration
``convnet``                         four convolutions for images of 8 to 32 pixels, with group normalisation: no batch
                                    statistics, so it computes the same on any number of processes
``pretrained``                      any image model of `transformers` with its weights, by name or folder, see `.backbones`
==================================  ==========================================================================

The paper trains ResNet-34 and ResNet-50 on iNaturalist 2021 and ViT-B/16 on ImageNet-21k [paper].
"""

import threading
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from theory_sim.pretraining.backbones import MEAN, STD, load_backbone
from theory_sim.pretraining.config import Architecture
from theory_sim.runtime.errors import InputError

_RESNETS: dict[str, dict[str, Any]] = {
    "resnet18": {"layer_type": "basic", "depths": [2, 2, 2, 2], "hidden_sizes": [64, 128, 256, 512]},
    "resnet34": {"layer_type": "basic", "depths": [3, 4, 6, 3], "hidden_sizes": [64, 128, 256, 512]},
    "resnet50": {"layer_type": "bottleneck", "depths": [3, 4, 6, 3], "hidden_sizes": [256, 512, 1024, 2048]},
}
_VITS = {"vit_ti16": (192, 3), "vit_s16": (384, 6), "vit_b16": (768, 12)}
"""Width and heads; 12 layers each."""
_Colours = tuple[float, ...]


class Classifier(nn.Module):
    """Logits of images: head(body(image)).

    Args:
        model: which network.
        n_classes: number of labels.
        seed: of the initial weights; body and head have streams of their own, so that the same seed gives the same body
            under any number of labels.
    """

    def __init__(self, model: Architecture, n_classes: int, seed: int) -> None:
        super().__init__()
        self.classes: tuple[str, ...] = ()
        self.side = model.image_size or 0
        self.mean: Tensor
        self.std: Tensor
        with _GENERATOR, torch.random.fork_rng(devices=[]):
            torch.manual_seed(_seed(seed, 0))
            self.body, features, mean, std = _body(model)
            torch.manual_seed(_seed(seed, 1))
            self.head = nn.Linear(features, n_classes)
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], persistent=False)

    def forward(self, images: UInt8[Tensor, "n 3 side side"] | Float[Tensor, "n 3 side side"]) -> Float[Tensor, "n label"]:
        """Logits of images whose values are 0 … 255."""
        logits: Tensor = self.head(self.body((images.float() / 255 - self.mean) / self.std))
        return logits

    def train_only(self, part: str) -> None:
        """Let only a part learn: ``all``, ``last_block`` (of the body, and the head) or ``head``; the rest is frozen.

        Frozen normalisations use their stored statistics: `train` leaves them in evaluation.
        """
        self.requires_grad_(part == "all")
        self.head.requires_grad_(True)
        if part == "last_block":
            for module in self.body.last_block:  # type: ignore[union-attr]
                module.requires_grad_(True)

    def train(self, mode: bool = True) -> "Classifier":
        """Training mode for what learns."""
        super().train(mode)
        for module in self.modules():
            own = list(module.parameters(recurse=False))
            if own and not any(parameter.requires_grad for parameter in own):
                module.training = False
        return self


_GENERATOR = threading.Lock()
"""Of PyTorch's generator, which is one for all threads."""


def _seed(seed: int, stream: int) -> int:
    return int(np.random.SeedSequence([seed, stream]).generate_state(1)[0])


def bytes_of(model: Architecture) -> int:
    """Size of a network's weights, without its head."""
    return sum(weights.nbytes for weights in Classifier(model, 1, 0).body.state_dict().values())


def normalises_over_batches(model: Architecture) -> bool:
    """Whether a network has batch normalisations."""
    if model.pretrained is None:
        return model.name.startswith("resnet")
    return any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in load_backbone(model.pretrained, _KEY).modules())


_KEY = "model.pretrained"


def _body(model: Architecture) -> tuple[nn.Module, int, _Colours, _Colours]:
    """The body, its number of features, and the mean and standard deviation of the colours that it takes."""
    if model.pretrained is not None:
        backbone = load_backbone(model.pretrained, _KEY)
        side = model.image_size or backbone.side
        try:
            with torch.no_grad():
                features = backbone(torch.zeros(1, 3, side, side)).shape[1]
        except (ValueError, RuntimeError, TypeError, AttributeError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise InputError(f"{_KEY}: '{model.pretrained}' takes no images of {side} × {side} pixels: {reason}") from None
        return backbone, features, backbone.mean, backbone.std
    if model.name == "convnet":
        return _ConvNet(model.width), 4 * model.width, MEAN, STD
    if model.name in _RESNETS:
        return _ResNet(_RESNETS[model.name]), _RESNETS[model.name]["hidden_sizes"][-1], MEAN, STD
    return _ViT(model), _VITS[model.name][0], MEAN, STD


class _ResNet(nn.Module):
    def __init__(self, shape: dict[str, Any]) -> None:
        super().__init__()
        from transformers import ResNetConfig, ResNetModel

        self.network = ResNetModel(ResNetConfig(**shape, downsample_in_first_stage=False))
        self.last_block = (self.network.encoder.stages[-1],)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.network(images).pooler_output.flatten(1)
        return features


class _ViT(nn.Module):
    def __init__(self, model: Architecture) -> None:
        super().__init__()
        from transformers import ViTConfig, ViTModel

        width, heads = _VITS[model.name]
        shape: dict[str, Any] = {
            "hidden_size": width,
            "num_attention_heads": heads,
            "intermediate_size": 4 * width,
            "num_hidden_layers": 12,
        }
        self.network = ViTModel(ViTConfig(**shape, image_size=model.side, patch_size=16), add_pooling_layer=False)
        self.last_block = (self.network.layers[-1], self.network.layernorm)

    def forward(self, images: Tensor) -> Tensor:
        first: Tensor = self.network(images).last_hidden_state[:, 0]
        return first


class _ConvNet(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        widths = (3, width, 2 * width, 4 * width, 4 * width)
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(before, after, 3, stride=1 + (place in (1, 2)), padding=1, bias=False),
                    nn.GroupNorm(4 if after % 4 == 0 else 1, after),
                    nn.ReLU(),
                )
                for place, (before, after) in enumerate(pairwise(widths))
            )
        )
        self.last_block = (self.blocks[-1],)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.blocks(images).mean((2, 3))
        return features
