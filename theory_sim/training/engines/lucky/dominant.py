"""Moments of an undrawn neuron's response to a dominant-noise patch, given that the neuron is near no feature.

Lengths are in units of σ_0: a neuron is u ~ N(0, I_d), its projections on the features are g_f = ⟨u, v_f⟩, and it is not drawn
where g_f ≤ z for every feature f.
"""

import math

import numpy as np
from scipy.special import log_ndtr

_STEP, _NODES = 1 / 16, 80
"""Nodes of the contour integral: t = sinh(x), x = 0, 1/16, …, up to t = 70, where the integrand is below 1e-10 of its peak."""
_ORDERS = (1, 2, 3)


def relu_moments(k: np.ndarray, along: np.ndarray, cut: float) -> np.ndarray:
    """E (X − k)₊^p for p = 1, 2, 3, where X = ⟨u, ζ*⟩/‖ζ*‖ and u ~ N(0, I) given g_f ≤ z for every f.

    Given this, the g_f are still independent, each N(0, 1) cut off at z, and with c_f = ⟨ζ*, v_f⟩/‖ζ*‖

        E e^{sX} = e^{s²/2} Π_f Φ(z − c_f s)/Φ(z).

    Moments of a rectified variable are contour integrals of this function: for every γ > 0, s = γ + it,

        E (X − k)₊^p = p!/2π ∫ E e^{sX} e^{−ks} s^{−p−1} dt.

    γ = (k + √(k² + 12))/2 is the saddle point of the third moment without features. The integrand is analytic, so that the
    trapezoidal rule in x, t = sinh(x), converges exponentially.

    Args:
        k: τ/‖ζ*‖ of each patch.
        along: c_f, (patch, feature).
        cut: z.

    Returns:
        (3, patch).
    """
    x = _STEP * np.arange(_NODES)
    weight = _STEP * np.cosh(x) / np.pi
    weight[0] /= 2  # the other half of the contour gives the complex conjugate
    s = ((k + np.sqrt(k**2 + 12)) / 2)[:, None] + 1j * np.sinh(x)
    log_value = s**2 / 2 - k[:, None] * s - along.shape[1] * log_ndtr(cut)
    for c in along.T:
        log_value += log_ndtr(cut - c[:, None] * s)
    value = np.exp(log_value)
    return np.array([math.factorial(p) * (value / s ** (p + 1)).real @ weight for p in _ORDERS])
