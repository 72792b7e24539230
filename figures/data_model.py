"""The data model: a sample as patches × features, easy and made hard, beside the label tree."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle

from figures import style
from theory_sim.config import Config, Tree
from theory_sim.data import DOMINANT_NOISE, Batch, Draws, PatchSampler
from theory_sim.experiment import Results
from theory_sim.seeding import generators
from theory_sim.training import make_dictionary

NAME = "data_model"
CAPTION = (
    "One sample of the data model, easy (top), and hard with the same random numbers (bottom): correlation of each patch with"
    " each feature. The strip above a sample tells what each patch holds. At the left the label tree, one node per feature,"
    " with the sample's path filled. The hard sample lacks its common feature, and holds weak common features of another"
    " class and one patch of dominant noise; only the rare feature tells its class. A tree of 2 × 3 classes is shown."
)
SIZE = (style.PAGE, 4.0)
