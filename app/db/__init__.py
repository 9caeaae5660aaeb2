"""The database, and the locks that tell which processes are using it."""
