"""Spurious features in two-layer convolutional networks (Deng, Yang, Mirzasoleiman, Gu, arXiv:2306.04949)."""
