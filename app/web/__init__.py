"""The surfaces: thin, each route parses, calls the broker and answers."""
