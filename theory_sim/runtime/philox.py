"""Random numbers that are a function of a key and a place: Philox4x32-10 and the Box–Muller transform, compiled by Numba.

Philox (Salmon et al., *Parallel random numbers: as easy as 1, 2, 3*, 2011) turns a counter and a key of 64 bits into four
words of 32 random bits; it passes TestU01's BigCrush. A *tile* is what 64 successive counters give, word by word: 256 words
w_0 … w_255, of which counter i gives w_i, w_{64+i}, w_{128+i} and w_{192+i}. Each word becomes one number:

* uniform: u = w / 2³² in double precision, ⌊w / 2⁸⌋ / 2²⁴ in single, so that u < 1 in both;
* normal: with the radius ρ = √(−2 ln((w_i + 1) / 2³²)) and the angle θ = 2π w_{64+i} / 2³², numbers i and 64 + i are
  ρ cos θ and ρ sin θ, and so are numbers 128 + i and 192 + i. They end at √(64 ln 2) = 6.66, which N(0, 1) passes with
  probability 3·10⁻¹¹; PyTorch's end at 5.77.

Single and double precision are the same numbers up to rounding. So no number depends on how the work is shared, and many
short streams are drawn in one call. Measured on one core with AVX-512: 0.6 ns for a normal number in single precision, where
PyTorch takes 2.4. No operation is fused or reordered, hence other processors give the same numbers in single precision; double
precision uses the C library's functions.
"""

import math
from collections.abc import Callable
from typing import Any, no_type_check

import numpy as np

from theory_sim.runtime.compiled import compiled, inlined

LANES = 64
"""Counters of a tile."""
TILE = 4 * LANES
"""Numbers of a tile."""

_u32, _u64, _i32, _f32 = np.uint32, np.uint64, np.int32, np.float32
_M0, _M1 = _u64(0xD2511F53), _u64(0xCD9E8D57)  # multipliers
_K0, _K1 = _u32(0x9E3779B9), _u32(0xBB67AE85)  # increments of the key
_HALF = _u64(32)
_QUARTER_TURN, _HALF_QUARTER = _i32(30), _u32(1 << 29)
_TO_RADIANS = math.pi / 2 / 2**30
_LN2 = _f32(math.log(2))
_SQRT_HALF, _LARGE = _i32(0x3F3504F3), _u32(0xB504F334)  # √½, as a float's bits and as a word
# Cephes, logf, sinf and cosf, from the highest power; relative errors below 2⁻²³.
_LOG = tuple(
    map(
        _f32,
        (
            7.0376836292e-2,
            -1.1514610310e-1,
            1.1676998740e-1,
            -1.2420140846e-1,
            1.4249322787e-1,
            -1.6668057665e-1,
            2.0000714765e-1,
            -2.4999993993e-1,
            3.3333331174e-1,
        ),
    )
)
_SIN = tuple(map(_f32, (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)))
_COS = tuple(map(_f32, (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)))
Fills = dict[np.dtype[Any], Callable[..., None]]
_compiled = compiled(error_model="numpy")
_inlined = inlined(error_model="numpy")


@_inlined
@no_type_check
def philox(c0, c1, c2, c3, k0, k1):
    """Ten rounds on a counter of four words, with a key of two."""
    for _ in range(10):
        p0, p1 = _M0 * _u64(c0), _M1 * _u64(c2)
        c0, c1, c2, c3 = _u32(p1 >> _HALF) ^ c1 ^ k0, _u32(p1), _u32(p0 >> _HALF) ^ c3 ^ k1, _u32(p0)
        k0, k1 = _u32(k0 + _K0), _u32(k1 + _K1)
    return c0, c1, c2, c3


@_inlined
@no_type_check
def _words(words, key, tile):
    k0, k1 = _u32(key), _u32(key >> _HALF)
    first = tile * _u64(LANES)
    high = _u32(first >> _HALF)
    for i in range(LANES):
        words[0, i], words[1, i], words[2, i], words[3, i] = philox(_u32(_u32(first) + _u32(i)), high, _u32(0), _u32(0), k0, k1)


@_inlined
@no_type_check
def _radius(word):
    """√(−2 ln((w + 1) / 2³²)) in single precision."""
    # (w + 1) / 2³² = 2^e (1 + m), with 1 + m between √½ and √2; m itself where that is near 1, so that small radii are as exact
    bits = _f32(_f32(word) + _f32(1)).view(_i32)
    # Numba computes with integers of 64 bits; each result is cut to 32 at once, for AVX2 has no loops over these otherwise.
    e = _i32(_i32(bits - _SQRT_HALF) >> _i32(23))
    m = _i32(bits - _i32(e << _i32(23))).view(_f32) - _f32(1)
    e = _i32(e - _i32(32))
    near = word > _LARGE
    m = _f32(_u32(~word)) * _f32(-(2.0**-32)) if near else m
    e = _i32(0) if near else e
    y = _LOG[0]
    for c in range(1, 9):
        y = y * m + _LOG[c]
    square = m * m
    ln = y * m * square - _f32(0.5) * square + m
    return math.sqrt(_f32(-2) * (ln + _f32(e) * _LN2))


@_inlined
@no_type_check
def _direction(word):
    """Cos and sin of 2π w / 2³² in single precision."""
    turn = _i32(_u32(word + _HALF_QUARTER)) >> _QUARTER_TURN
    angle = _f32(_i32(word - (_u32(turn) << _u32(30)))) * _f32(_TO_RADIANS)  # between −π/4 and π/4
    square = angle * angle
    sin = ((_SIN[0] * square + _SIN[1]) * square + _SIN[2]) * square * angle + angle
    cos = ((_COS[0] * square + _COS[1]) * square + _COS[2]) * square * square - _f32(0.5) * square + _f32(1)
    odd = (turn & _i32(1)) != 0
    x, y = (sin if odd else cos), (cos if odd else sin)
    return (-x if ((turn + _i32(1)) & _i32(2)) != 0 else x), (-y if (turn & _i32(2)) != 0 else y)


@_inlined
@no_type_check
def _normal32(words, out, scale):
    for pair in range(0, 4, 2):
        for i in range(LANES):
            radius = scale * _radius(words[pair, i])
            x, y = _direction(words[pair + 1, i])
            out[pair * LANES + i], out[(pair + 1) * LANES + i] = radius * x, radius * y


@_inlined
@no_type_check
def _normal64(words, out, scale):
    for pair in range(0, 4, 2):
        for i in range(LANES):
            radius = scale * math.sqrt(-2.0 * math.log((words[pair, i] + 1.0) * 2.0**-32))
            angle = float(_i32(words[pair + 1, i])) * _TO_RADIANS
            out[pair * LANES + i], out[(pair + 1) * LANES + i] = radius * math.cos(angle), radius * math.sin(angle)


@_inlined
@no_type_check
def _uniform32(words, out, scale):
    for w in range(4):
        for i in range(LANES):
            out[w * LANES + i] = scale * (_f32(words[w, i] >> _u32(8)) * _f32(2.0**-24))


@_inlined
@no_type_check
def _uniform64(words, out, scale):
    for w in range(4):
        for i in range(LANES):
            out[w * LANES + i] = scale * (words[w, i] * 2.0**-32)


@_inlined
@no_type_check
def _fill(out, keys, tiles, scale, first, last, transform):
    n = out.shape[1]
    each = (n + TILE - 1) // TILE
    words = np.empty((4, LANES), dtype=_u32)
    whole = np.empty(TILE, dtype=out.dtype)
    for t in range(first, last):
        row, tile = t // each, t % each
        _words(words, keys[row], tiles[row] + _u64(tile))
        start = tile * TILE
        if start + TILE <= n:
            transform(words, out[row, start : start + TILE], scale[row])
        else:
            transform(words, whole, scale[row])
            out[row, start:] = whole[: n - start]


# Written out, since Numba keeps on disk what it compiled of functions of a module, but not of those that a function makes.
@_compiled
@no_type_check
def _fill_normal32(out, keys, tiles, scale, first, last):
    _fill(out, keys, tiles, scale, first, last, _normal32)


@_compiled
@no_type_check
def _fill_normal64(out, keys, tiles, scale, first, last):
    _fill(out, keys, tiles, scale, first, last, _normal64)


@_compiled
@no_type_check
def _fill_uniform32(out, keys, tiles, scale, first, last):
    _fill(out, keys, tiles, scale, first, last, _uniform32)


@_compiled
@no_type_check
def _fill_uniform64(out, keys, tiles, scale, first, last):
    _fill(out, keys, tiles, scale, first, last, _uniform64)


fill_normal: Fills = {np.dtype(np.float32): _fill_normal32, np.dtype(np.float64): _fill_normal64}
"""By type, ``fill(out, keys, tiles, scale, first, last)``: row r of `out` becomes ``scale[r]`` times the numbers of tiles
``tiles[r]``, ``tiles[r] + 1``, … of key ``keys[r]``; done are only tiles `first` … `last` − 1, counted through all rows."""
fill_uniform: Fills = {np.dtype(np.float32): _fill_uniform32, np.dtype(np.float64): _fill_uniform64}
"""The same for uniform numbers."""
