"""Frames to files: EXR, video, pictures, manifest."""
