"""How sessions are opened and ended."""
