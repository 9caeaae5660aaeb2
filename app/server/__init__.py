"""uvicorn as this broker runs it, and the bounds of each connection."""
