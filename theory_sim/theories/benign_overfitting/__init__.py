"""Benign overfitting in two-layer convolutional networks (Kou, Chen, Chen, Gu, arXiv:2303.04145)."""
