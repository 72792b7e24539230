"""The model in plain loops over float64 numbers: the oracle that the fast code must match.

Written from the definitions (see the docstrings of `theory_sim.data.sampler` and
`theory_sim.training.engines.dense`), and slow. The generator's part takes the same raw uniform and normal numbers as the fast
one; how numbers become a sample is all its own.
"""

import math
from dataclasses import dataclass


@dataclass
class Sample:
    """One sample, its patches a list of lists."""

    x: list
    coarse: int
    leaf: int
    labelled_leaf: int
    hard: bool
    content: list
    strength: list


def sample(config, vectors, u, z, hard_share):
    """One sample from its uniforms (a list for each column group) and its P × d normals."""
    data, hard_settings, tree = config.data, config.hard, config.label_tree
    d, n_patches, s = data.dim, data.patches, data.feature_patches

    def leaf_at(number):
        upper = 0.0
        for leaf, probability in enumerate(tree.leaf_probability):
            upper += probability
            if number < upper:
                return leaf
        return tree.n_leaves - 1

    leaf = leaf_at(u["leaf"][0])
    labelled_leaf = leaf_at(u["flipped leaf"][0]) if u["flip"][0] < data.label_noise else leaf
    hard = u["kind"][0] < hard_share
    path = tree.ancestors(tree.leaves[leaf])
    y = path[0]
    settings = hard_settings if hard else data
    has_dominant = hard and hard_settings.noise > 0

    order = sorted(range(n_patches), key=lambda p: u["order"][p])
    content, strength, x = [], [], []
    for p in range(n_patches):
        # One slot after the other: s for each level, s† of feature noise, one of dominant noise, the rest noise.
        slot = order[p] if data.patch_law == "fixed" else math.floor(u["content"][p] * n_patches)
        feature, low, high = None, 0.0, 0.0
        for level in range(tree.depth):
            if level * s <= slot < (level + 1) * s and level < len(path):
                feature, low, high = path[level], math.sqrt(1 - data.strength_spread), math.sqrt(1 + data.strength_spread)
                if level == 0 and hard and hard_settings.common == "missing":
                    feature = None
                elif level == 0 and hard:
                    low, high = hard_settings.weak_strength
        if 0 <= slot - tree.depth * s < settings.feature_noise_patches:
            others = [(y + i) % tree.n_coarse for i in range(1, tree.n_coarse)]
            feature = others[math.floor(u["other class"][p] * len(others))]
            low, high = settings.feature_noise
        dominant_place = tree.depth * s + hard_settings.feature_noise_patches if data.patch_law == "fixed" else 0
        dominant = has_dominant and order[p] == dominant_place

        norm = hard_settings.noise if dominant else data.noise
        patch = [norm / math.sqrt(d) * z[p][i] for i in range(d)]
        alpha = 0.0
        if dominant:
            content.append(-2)
        elif feature is None:
            content.append(-1)
        else:
            alpha = low + (high - low) * u["strength"][p]
            patch = [patch[i] + alpha * vectors[feature][i] for i in range(d)]
            content.append(feature)
        strength.append(alpha)
        x.append(patch)
    return Sample(x, y, leaf, labelled_leaf, hard, content, strength)


def dot(a, b):
    return math.fsum(i * j for i, j in zip(a, b, strict=True))


class Network:
    """F_c(X) = Σ_r a_{c,r} Σ_p φ(⟨w_{c,r}, x_p⟩ + b_{c,r}) and its training; φ is the ReLU, or z^power.

    With `mean` the sum over patches is divided by their number.
    """

    def __init__(self, weight, bias, output, power=None, mean=False):
        self.weight, self.bias, self.output = weight, bias, output
        self.power, self.mean = power, mean
        self.velocity = {}

    def active(self, z):
        return max(0.0, z) if self.power is None else z**self.power

    def slope(self, z):
        if self.power is None:
            return 1.0 if z > 0 else 0.0
        return self.power * z ** (self.power - 1)

    def forward(self, x):
        share = 1 / len(x) if self.mean else 1.0
        return [
            math.fsum(a * share * self.active(dot(w, patch) + b) for w, b, a in zip(ws, bs, outputs, strict=True) for patch in x)
            for ws, bs, outputs in zip(self.weight, self.bias, self.output, strict=True)
        ]

    def moved(self, key, gradient, step_size, momentum):
        """The change of a number: −η times the velocity μ v + g."""
        self.velocity[key] = momentum * self.velocity.get(key, 0.0) + gradient
        return -step_size * self.velocity[key]

    def step(self, xs, labels, step_size, bias_decay, train_output=False, biases="scheduled", momentum=0.0):
        """One step of SGD on the softmax cross-entropy; returns the loss before it."""
        heads, neurons, d = len(self.weight), len(self.weight[0]), len(self.weight[0][0])
        loss, slopes = 0.0, []
        for x, y in zip(xs, labels, strict=True):
            logits = self.forward(x)
            top = max(logits)
            total = math.fsum(math.exp(f - top) for f in logits)
            p = [math.exp(f - top) / total for f in logits]
            loss += (math.log(total) + top - logits[y]) / len(xs)
            slopes.append([(p[c] - (c == y)) / len(xs) for c in range(heads)])
        new_output = [list(row) for row in self.output]
        for c in range(heads):
            for r in range(neurons):
                gradient, by_bias, by_output = [0.0] * d, 0.0, 0.0
                for x, slope in zip(xs, slopes, strict=True):
                    share = 1 / len(x) if self.mean else 1.0
                    for patch in x:
                        pre = dot(self.weight[c][r], patch) + self.bias[c][r]
                        by_output += slope[c] * share * self.active(pre)
                        by_pre = slope[c] * self.output[c][r] * share * self.slope(pre)
                        by_bias += by_pre
                        for i in range(d):
                            gradient[i] += by_pre * patch[i]
                change = [self.moved(("weight", c, r, i), g, step_size, momentum) for i, g in enumerate(gradient)]
                self.weight[c][r] = [w + dw for w, dw in zip(self.weight[c][r], change, strict=True)]
                if biases == "scheduled":
                    self.bias[c][r] -= bias_decay * math.sqrt(math.fsum(dw * dw for dw in change))
                elif biases == "trained":
                    self.bias[c][r] += self.moved(("bias", c, r), by_bias, step_size, momentum)
                if train_output:
                    new_output[c][r] += self.moved(("output", c, r), by_output, step_size, momentum)
        self.output = new_output
        return loss
