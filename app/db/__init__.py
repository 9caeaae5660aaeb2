"""The database, and the locks by which processes that share it know of each other."""
