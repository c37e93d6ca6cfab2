"""Model families behind one adapter contract."""
