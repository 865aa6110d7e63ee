"""Selecting: the best combination of versions, without the cross product."""
