"""Where texts are: rectangles that may be slanted, and whether two of them overlap."""

import math

import numpy as np
from jaxtyping import Float
from matplotlib.text import Text


def corners(text: Text) -> Float[np.ndarray, "4 2"]:
    """The corners of a text's own rectangle in pixels; a slanted text fills less than the box around it."""
    box, angle = text.get_window_extent(), text.get_rotation()
    middle = np.array([box.x0 + box.x1, box.y0 + box.y1]) / 2
    text.set_rotation(0)
    level = text.get_window_extent()
    text.set_rotation(angle)
    half = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [level.width / 2, level.height / 2]
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    found: np.ndarray = middle + half @ np.array([[cos, sin], [-sin, cos]])
    return found


def overlap(a: Float[np.ndarray, "4 2"], b: Float[np.ndarray, "4 2"], by: float = 1.0) -> bool:
    """Whether two rectangles overlap by more than `by` pixels, along every direction of their sides."""
    for rectangle in (a, b):
        for side in rectangle[1:3] - rectangle[:2]:
            along = side / (np.linalg.norm(side) or 1.0)
            of_a, of_b = a @ along, b @ along
            if min(of_a.max(), of_b.max()) - max(of_a.min(), of_b.min()) <= by:
                return False
    return True
