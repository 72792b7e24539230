"""A configuration that is run in a second, as the text of a file."""

TINY = """
name: tiny
replicas: 2
seed: 2
tree: {subclasses: 3}
data: {dim: 32, patches: 12, feature_patches: 3}
network: {neurons: 8}
training: {batch: 16, steps: 40, checkpoint_every: 3, step_size: {coarse: 0.05, fine: 0.2}}
transfer: {readouts: [sum_logits]}
test: {samples: 50, curve_samples: 20}
record: {points: 6}
"""
