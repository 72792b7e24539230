"""Names of the configuration's keys on axes, with the paper's symbols where it has one."""

_SYMBOLS = {
    "tree.coarse": ("coarse classes", "$K$"),
    "tree.subclasses": ("subclasses", "$k$"),
    "tree.tail": ("tail exponent", "$t$"),
    "labels.fine": ("fine labels", ""),
    "data.dim": ("dimension", "$d$"),
    "data.patches": ("patches", "$P$"),
    "data.feature_patches": ("feature patches", "$s$"),
    "data.patch_law": ("patch law", ""),
    "data.strength_spread": ("strength spread", r"$\iota$"),
    "data.noise": ("noise", r"$\sigma_\zeta\sqrt{d}$"),
    "data.feature_noise_patches": ("easy feature noise", r"$s_\dagger$"),
    "data.feature_noise": ("easy feature noise", r"$\alpha_\dagger$"),
    "data.basis": ("basis", ""),
    "data.hard_share": ("hard share", r"$\rho$"),
    "data.label_noise": ("label noise", ""),
    "data.training_samples": ("training samples", "$n$"),
    "hard.common": ("common features, hard", ""),
    "hard.weak_strength": ("weak strength", ""),
    "hard.feature_noise_patches": ("hard feature noise", r"$s_\dagger$"),
    "hard.feature_noise": ("hard feature noise", r"$\alpha_\dagger$"),
    "hard.noise": ("dominant noise", r"$\sigma_*\sqrt{d}$"),
    "network.neurons": ("neurons per head", "$m$"),
    "network.init_std": ("initial weights", r"$\sigma_0$"),
    "network.threshold": ("threshold", r"$\tau$"),
    "network.train_output": ("output layer trained", ""),
    "training.step_size.coarse": ("step size, coarse", r"$\eta$"),
    "training.step_size.fine": ("step size, fine", r"$\eta$"),
    "training.batch": ("batch", "$B$"),
    "training.steps": ("training steps", ""),
    "training.bias_decay": ("bias decay", r"$\kappa$"),
    "transfer.steps": ("finetuning steps", ""),
    "target.noise": ("noise of the target", r"$\sigma_\zeta\sqrt{d}$"),
    "target.strength_spread": ("strength spread of the target", r"$\iota$"),
    "target.feature_noise_patches": ("easy feature noise of the target", r"$s_\dagger$"),
    "target.feature_noise": ("easy feature noise of the target", r"$\alpha_\dagger$"),
}

_SHORT = {"transfer.steps": "steps", "network.train_output": "trained"}


def name(key: str) -> str:
    """The label of an axis, such as ``hard share ρ``; the key itself if it has no name here."""
    return " ".join(_SYMBOLS.get(key, (key, ""))).strip()


def equals(key: str, value: str) -> str:
    """A key and its value in short: ``ρ = 0.1``."""
    word, symbol = _SYMBOLS.get(key, (key, ""))
    return f"{symbol or _SHORT.get(key, word)} = {value}"


def value(text: object) -> str:
    """The tick label of a value, given as a number or as text: ``0.5``, ``missing``."""
    try:
        return f"{float(str(text)):g}"
    except ValueError:
        return {"True": "yes", "False": "no"}.get(str(text), str(text))
