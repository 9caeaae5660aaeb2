"""The ASGI middleware around every route."""
