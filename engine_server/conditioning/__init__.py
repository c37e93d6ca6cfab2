"""Prompts and references into what a model is conditioned on."""
