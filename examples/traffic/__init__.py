"""A fork on street pictures: a detector finds lights and signs, one model reads the light's state, another the sign."""
