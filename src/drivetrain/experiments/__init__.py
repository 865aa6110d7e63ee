"""Experiments with systems: versions, lineage, the best combination; and engines for many runs."""
