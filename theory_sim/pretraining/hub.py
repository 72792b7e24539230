"""What uses of the Hugging Face hub share: names are distinguished from folders."""

import re
from pathlib import Path

from theory_sim.runtime.errors import InputError


def quiet_retries() -> None:
    """Silence the hub's warning for each failed attempt to connect; the error that follows them says it once."""
    from huggingface_hub.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]


HUB = "hf://"
"""Before a name it says that the hub's is meant."""


def local_folder(text: str, key: str) -> Path | None:
    """The folder that a setting names; None where it names something of the hub.

    A folder is an absolute path, or one that begins with a dot or ``~``, has more than two parts, or has other characters than
    letters, digits, ``_``, ``.`` and ``-``. Anything else is a name of the hub, such as ``cifar100`` or ``user/name``, as is
    anything behind ``hf://``. The hub's libraries would take a folder of this name in the working directory for it.

    Args:
        text: the setting.
        key: its key, for messages.

    Raises:
        InputError: there is no such folder; or the text is a name of the hub, and there is a folder of this name.
    """
    if text.startswith(HUB):
        return None
    folder = Path(text).expanduser()
    if folder.is_absolute() or text.startswith((".", "~")) or not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", text):
        if not folder.is_dir():
            raise InputError(f"{key}: no such folder: {text}")
        return folder
    if folder.is_dir():
        raise InputError(f"{key}: '{text}' may be a folder here or a name of the hub: write ./{text} or {HUB}{text}")
    return None


def hub_name(text: str) -> str:
    """The name on the hub, without `HUB`."""
    return text.removeprefix(HUB).removeprefix("datasets/")
