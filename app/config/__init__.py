"""The settings: their names, types and checks, and where they are read from."""
