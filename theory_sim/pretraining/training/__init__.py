"""Training of one network: warm-up and cosine, accumulation, bf16, mixup, exponential average.

All random numbers depend on the seed and the step alone: a run that was killed resumes from its last checkpoint to the same
numbers, and one process or many compute the same global batch.
"""

from theory_sim.pretraining.training.run import Task, train

__all__ = ["Task", "train"]
