"""Image models of `transformers`, by name or folder, as bodies that make features.

Weights are read from safetensors only, and no code that comes with a model is run.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from theory_sim.pretraining.hub import hub_name, local_folder, quiet_retries
from theory_sim.runtime.errors import InputError

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's mean and standard deviation of red, green and blue."""


class Backbone(nn.Module):
    """Features of images: what the model calls the images' embedding, else its pooled output, its first token, or the mean.

    Args:
        network: the model.
        mean: of the colours that it was trained with.
        std: their standard deviation.
        side: of the images that it was trained with.
        pooled: whether the pooled output has trained weights, or needs none.
    """

    def __init__(self, network: nn.Module, mean: Sequence[float], std: Sequence[float], side: int, pooled: bool) -> None:
        super().__init__()
        self.network, self.mean, self.std, self.side, self.pooled = network, tuple(mean), tuple(std), side, pooled

    def forward(self, images: Tensor) -> Tensor:
        """Features of images of normalised colours."""
        output = self.network(pixel_values=images)
        for field in ("image_embeds", *["pooler_output"] * self.pooled):
            found = getattr(output, field, None)
            if found is not None:
                return torch.Tensor(found.flatten(1))
        states: Tensor = output.last_hidden_state
        return states[:, 0] if states.ndim == 3 else states.mean((2, 3))

    @property
    def last_block(self) -> tuple[nn.Module, ...]:
        """The last of the model's repeated blocks, and the parts behind them."""
        lists = [(name, part) for name, part in self.network.named_modules() if isinstance(part, nn.ModuleList) and len(part)]
        children = list(self.network.named_children())
        if not lists:
            return (children[-1][1],) if children else (self.network,)
        name, blocks = max(lists, key=lambda pair: sum(p.numel() for p in pair[1].parameters()))
        place = [child for child, _ in children].index(name.split(".")[0])
        return (blocks[-1], *(part for _, part in children[place + 1 :]))


def load_backbone(text: str, key: str) -> Backbone:
    """Load a model in evaluation mode.

    Args:
        text: its name on the hub, or its folder; see `theory_sim.pretraining.hub.local_folder`.
        key: of the setting, for messages.

    Raises:
        InputError: there is no such model, not in safetensors, or it needs code of its own.
    """
    import transformers

    quiet_retries()
    folder = local_folder(text, key)
    name = hub_name(text) if folder is None else str(folder)
    model: Any  # transformers' own annotations are partial, and know nothing of the loading info
    clip: Any = transformers.CLIPVisionModelWithProjection
    safe: dict[str, Any] = {"use_safetensors": True, "output_loading_info": True, "dtype": torch.float32}
    try:
        config = transformers.AutoConfig.from_pretrained(name, trust_remote_code=False)
        if config.model_type == "clip":
            model, loaded = clip.from_pretrained(name, **safe)
        else:
            model, loaded = transformers.AutoModel.from_pretrained(name, trust_remote_code=False, **safe)
    except (OSError, ValueError, KeyError, ImportError, AttributeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{key}: cannot load the vision model '{text}' from safetensors: {reason}") from None
    missing = sorted(loaded["missing_keys"])
    if lacking := [weight for weight in missing if "pooler" not in weight]:
        raise InputError(f"{key}: '{text}' lacks weights of a {config.model_type} model, such as {lacking[0]}")
    vision = getattr(config, "vision_config", config)
    mean, std, side = _preprocessing(name, int(getattr(vision, "image_size", None) or 224))
    return Backbone(model, mean, std, side, not missing).eval()


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
    return said.get("image_mean", list(MEAN)), said.get("image_std", list(STD)), int(side)
