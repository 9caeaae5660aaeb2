"""Several broker processes on one Postgres: which of them live, and where each is reached."""
