"""The data model: features, samples as sets of patches with their ground truth, and checks of its invariants."""
