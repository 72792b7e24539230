"""A law's invariants, tested on samples."""
