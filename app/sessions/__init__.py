"""The domain: what a visitor may do, and what becomes of it."""
