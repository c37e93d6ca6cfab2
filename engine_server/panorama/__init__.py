"""Geometry of the sphere: pixels, angles, views and their lookup tables."""
