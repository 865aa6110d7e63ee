"""Versions: what a model, a system and a measurement are called by, and which models may stand in a slot."""
