"""Recordings that visitors send to be said."""
