"""A figure in one file: the spread of the initial weights' norms, which nothing in the package draws."""

import numpy as np
import pandas as pd

from theory_sim.config import Config
from theory_sim.figures import Figure, Inputs, Needs, Panels, register
from theory_sim.figures.common import style


def needs(config: Config) -> Needs:
    """One run, of the configuration itself."""
    return Needs(runs=[config])


def compute(config: Config, inputs: Inputs) -> pd.DataFrame:
    """Norms of all neurons at initialisation, in units of the expected one.

    Returns:
        Columns ``model``, ``quantile``, ``value``.
    """
    (results,) = inputs.runs
    unit = config.network.init_std * np.sqrt(config.data.dim)
    quantiles = np.linspace(0, 1, 21)
    return pd.DataFrame(
        {"model": data.attrs["model"], "quantile": quantile, "value": value}
        for data in (results.coarse, results.fine)
        for quantile, value in zip(quantiles, np.quantile(data.norm.isel(step=0) / unit, quantiles), strict=True)
    )


def draw(table: pd.DataFrame, axes: Panels) -> None:
    """Draw one line per model."""
    ax = axes["norms"]
    for model, own in table.groupby("model"):
        ax.plot(own["quantile"], own.value, color=style.PALETTE[str(model)], label=f"{model} labels")
    ax.set_xlabel("quantile")
    ax.set_ylabel(r"norm $\Vert w\Vert\,/\,\sigma_0\sqrt{d}$")
    ax.legend()


FIGURE = register(
    Figure(
        "initial_norms",
        "Norms of the neurons at initialisation.",
        caption=(
            "Norm of each neuron at initialisation in units of its expected size σ₀√d, sorted, against the quantile; all heads"
            " and replicas of the coarse and of the fine model."
        ),
        size=(style.COLUMN, 2.5),
        layout={"mosaic": [["norms"]]},
        needs=needs,
        compute=compute,
        draw=draw,
    )
)
