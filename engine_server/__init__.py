"""The engine: a local process that owns the model and makes looping panoramas."""
