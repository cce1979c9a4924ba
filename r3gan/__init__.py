"""Reproducibility benchmark for R3GAN and Projected GAN: published and reproduced numbers."""

__version__ = "0.1.0"
