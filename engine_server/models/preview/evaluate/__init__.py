"""How good the preview model is, measured against its own renderer and nothing from outside."""
