"""Texts to be said: validated, moderated, and cut into sentences and chunks."""
