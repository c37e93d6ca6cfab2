"""The embedded preview model: small, trained on our own procedural worlds."""
