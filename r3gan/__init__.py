"""Reproducibility benchmark for R3GAN and Projected GAN: published numbers beside reproduced ones."""

__version__ = "0.1.0"
