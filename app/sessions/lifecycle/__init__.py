"""The life of a session: creation, presence of its page, and termination."""
