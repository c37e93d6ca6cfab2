"""Denoising on the sphere and on the time ring; knows no model by name."""
