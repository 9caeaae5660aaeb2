"""The text of speech: validated, moderated, and cut into sentences."""
