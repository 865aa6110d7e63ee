"""How the tables became what they are, one file a change; Alembic applies them when a store is opened."""
