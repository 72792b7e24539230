"""Embeddings of images for k-means: raw pixels, or any `transformers` vision model.

The paper embeds with CLIP ViT-L/14 (``openai/clip-vit-large-patch14``) [paper]. Weights are read from safetensors only, and
no code that comes with a model is run.
"""

import hashlib
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from theory_sim.pretraining.backbones import load_backbone
from theory_sim.pretraining.hub import local_folder
from theory_sim.pretraining.loading.images import Images, View
from theory_sim.runtime.progress import OnProgress, Progress, ignore
from theory_sim.runtime.storage import digest

_BATCH = 64


def embed(
    name: str,
    images: Images,
    indices: list[int],
    image_size: int,
    device: torch.device | str = "cpu",
    on_progress: OnProgress = ignore,
) -> Float[Tensor, "n dim"]:
    """Embed images, in order.

    Args:
        name: ``pixels`` (all of them, scaled to [0, 1], at `image_size`), or a model's name or folder.
        images: where they are read.
        indices: which of them.
        image_size: side of the images whose pixels are taken; a model has its own.
        device: where the model computes.
        on_progress: called as images are embedded.

    Raises:
        InputError: there is no such model, or not in safetensors.
    """
    view, compute = (View(image_size), _pixels) if name == "pixels" else _model(name, torch.device(device))
    rows = []
    for start in range(0, len(indices), _BATCH):
        rows.append(compute(images.batch(indices[start : start + _BATCH], view)))
        on_progress(Progress("embedding", start + len(rows[-1]), len(indices)))
    return torch.cat(rows)


def model_version(name: str, key: str = "labels.embedding") -> str:
    """What identifies a model: its name, and for a folder the content of its files.

    Args:
        name: of the model, or its folder.
        key: of the setting, for messages.

    Raises:
        InputError: see `theory_sim.pretraining.hub.local_folder`.
    """
    folder = None if name == "pixels" else local_folder(name, key)
    if folder is None:
        return name
    files = sorted(path for path in folder.iterdir() if path.suffix in (".json", ".safetensors"))
    state = hashlib.sha256(" ".join(f"{path.name} {digest(path)}" for path in files).encode())
    return f"{name} {state.hexdigest()[:16]}"


def _pixels(batch: Tensor) -> Tensor:
    return batch.flatten(1).float() / 255


def _model(name: str, device: torch.device) -> tuple[View, Callable[[Tensor], Tensor]]:
    backbone = load_backbone(name, "labels.embedding").requires_grad_(False).to(device)
    shift, scale = (torch.tensor(values, device=device)[:, None, None] for values in (backbone.mean, backbone.std))

    @torch.no_grad()
    def compute(batch: Tensor) -> Tensor:
        features: Tensor = backbone((batch.to(device).float() / 255 - shift) / scale).float().cpu()
        return features

    return View(backbone.side), compute
