"""Embeddings of images for k-means: raw pixels, or any `transformers` vision model.

The paper embeds with CLIP ViT-L/14 (``openai/clip-vit-large-patch14``) [paper]. Weights are read from safetensors only, and
no code that comes with a model is run.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from theory_sim.pretraining.hub import quiet_retries
from theory_sim.pretraining.loading.images import Images, View
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.progress import Progress
from theory_sim.runtime.storage import digest

_BATCH = 64


def embed(
    name: str,
    images: Images,
    indices: list[int],
    image_size: int,
    device: torch.device | str = "cpu",
    on_progress: Callable[[Progress], None] = lambda progress: None,
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


def model_version(name: str) -> str:
    """What identifies the embeddings of a model: its name, and for a folder the content of its files."""
    if name == "pixels" or not Path(name).is_dir():
        return name
    files = sorted(path for path in Path(name).iterdir() if path.suffix in (".json", ".safetensors"))
    state = hashlib.sha256(" ".join(f"{path.name} {digest(path)}" for path in files).encode())
    return f"{name} {state.hexdigest()[:16]}"


def _pixels(batch: Tensor) -> Tensor:
    return batch.flatten(1).float() / 255


def _model(name: str, device: torch.device) -> tuple[View, Callable[[Tensor], Tensor]]:
    import transformers

    quiet_retries()
    model: Any  # transformers' own annotations are partial
    try:
        config = transformers.AutoConfig.from_pretrained(name, trust_remote_code=False)
        if config.model_type == "clip":
            model = transformers.CLIPVisionModelWithProjection.from_pretrained(name, use_safetensors=True)
        else:
            model = transformers.AutoModel.from_pretrained(name, use_safetensors=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, ImportError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"labels.embedding: cannot load the vision model '{name}' from safetensors: {reason}") from None
    model.eval().requires_grad_(False).to(device)
    vision = getattr(config, "vision_config", config)
    mean, std, size = _preprocessing(name, int(getattr(vision, "image_size", 224)))
    shift, scale = (torch.tensor(values, device=device)[:, None, None] for values in (mean, std))

    @torch.no_grad()
    def compute(batch: Tensor) -> Tensor:
        output = model(pixel_values=(batch.to(device).float() / 255 - shift) / scale)
        for field in ("image_embeds", "pooler_output"):
            if getattr(output, field, None) is not None:
                return torch.Tensor(getattr(output, field).flatten(1).float().cpu())
        return torch.Tensor(output.last_hidden_state[:, 0].float().cpu())

    return View(size), compute


def _preprocessing(name: str, size: int) -> tuple[list[float], list[float], int]:
    """Mean, standard deviation and side that a model was trained with; its image processor would need torchvision.

    ImageNet's mean and deviation where the model does not say.
    """
    from transformers.utils.hub import cached_file

    try:
        said = json.loads(Path(cached_file(name, "preprocessor_config.json") or "").read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        said = {}
    side = said.get("crop_size") or said.get("size") or size
    if isinstance(side, dict):
        side = side.get("height") or side.get("shortest_edge") or size
    return said.get("image_mean", [0.485, 0.456, 0.406]), said.get("image_std", [0.229, 0.224, 0.225]), int(side)
