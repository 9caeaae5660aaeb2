"""The HTTP surfaces: each route parses, calls a service, and answers."""
