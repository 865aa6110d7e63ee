"""Engines for many runs."""
