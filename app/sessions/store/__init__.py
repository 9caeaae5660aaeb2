"""Where sessions are kept: in memory, and in the database."""
