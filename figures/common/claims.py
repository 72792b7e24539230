"""Which model and which quantity a claim is about."""

MODELS = ("coarse", "fine")


def model_and_quantity(claim: str) -> tuple[str, str]:
    """The model that a claim is shown with, and the quantity that it bounds.

    The claim on both models, the transfer gain, is shown with the fine model.

    Args:
        claim: its id, such as ``coarse-hard-error``.
    """
    model, _, quantity = claim.partition("-")
    return (model, quantity) if model in MODELS else ("fine", claim)
