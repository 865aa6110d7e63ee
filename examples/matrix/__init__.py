"""The matrix: training pattern x integration pattern x mix of frameworks, three small systems a cell, one protocol."""
