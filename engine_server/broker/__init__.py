"""Sockets, jobs, blobs and worker supervision; no torch."""
