"""Figures of a finished video, a report for people, and a verdict."""
