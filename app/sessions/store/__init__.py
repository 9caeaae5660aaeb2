"""Session data: the model, and its storage in the database."""
