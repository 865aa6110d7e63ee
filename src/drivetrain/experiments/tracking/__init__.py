"""Tracking: a ``fit`` recorded in the store, brought back from there, and told to other tools."""
