"""How to cite: the paper of a theory, and this software."""

from theory_sim.runtime.provenance import package_version

PAPERS = {
    "arXiv:2303.16887": """@article{hong2023granularity,
  title  = {Towards Understanding the Effect of Pretraining Label Granularity},
  author = {Hong, Guan Zhe and Cui, Yin and Fuxman, Ariel and Chan, Stanley H. and Luo, Enming},
  year   = {2023},
  journal = {arXiv:2303.16887}
}"""
}
"""BibTeX entries by the source of a theory."""


def citations(source: str) -> list[str]:
    """BibTeX entries of a theory's paper, where it is known here, and of this software.

    Args:
        source: `theory_sim.theories.theory.Theory.source`.
    """
    software = f"""@software{{theory_sim,
  title   = {{theory_sim: simulating feature learning in two-layer convolutional ReLU networks}},
  author  = {{{{the theory_sim authors}}}},
  version = {{{package_version()}}}
}}"""
    return [*([PAPERS[source]] if source in PAPERS else []), software]
