"""The open video models as the method sees them: one file a family, over the diffusers library."""
