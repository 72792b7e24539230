"""How the labels of a label function relate to the coarse target."""

from dataclasses import dataclass

from jaxtyping import Int
from torch import Tensor


@dataclass(frozen=True)
class Alignment:
    """How labels relate to the coarse target, on a set of samples.

    Attributes:
        n_classes: labels that occur.
        samples_per_class: mean number of samples of a label that occurs.
        inside: share of labels whose samples all lie in one coarse class.
        purity: share of samples that are of their label's most frequent coarse class.
        adjusted_mutual_information: 0 for independent labels, 1 for the same partition.
    """

    n_classes: int
    samples_per_class: float
    inside: float
    purity: float
    adjusted_mutual_information: float


def alignment(labels: Int[Tensor, " n"], coarse: Int[Tensor, " n"]) -> Alignment:
    """Report a label function's classes and their alignment with the coarse target."""
    from sklearn.metrics import adjusted_mutual_info_score
    from sklearn.metrics.cluster import contingency_matrix

    table = contingency_matrix(labels.cpu().numpy(), coarse.cpu().numpy())
    return Alignment(
        n_classes=len(table),
        samples_per_class=float(table.sum() / len(table)),
        inside=float(((table > 0).sum(1) == 1).mean()),
        purity=float(table.max(1).sum() / table.sum()),
        adjusted_mutual_information=float(adjusted_mutual_info_score(labels.cpu().numpy(), coarse.cpu().numpy())),
    )
