"""*Towards Understanding the Effect of Pretraining Label Granularity* (Hong, Cui, Fuxman, Chan, Luo), arXiv:2303.16887."""
