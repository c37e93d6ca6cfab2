"""The process that owns the device and makes the pictures."""
