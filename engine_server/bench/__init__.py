"""Measuring the methods against one another: same model, prompts, seeds and steps."""
