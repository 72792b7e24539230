"""What uses of the Hugging Face hub share."""


def quiet_retries() -> None:
    """Silence the hub's warning for each failed attempt to connect; the error that follows them says it once."""
    from huggingface_hub.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
