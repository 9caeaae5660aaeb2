"""The record: who asked for what, what became of it, and what an operator may read of that."""
