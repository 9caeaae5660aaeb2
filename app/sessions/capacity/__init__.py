"""Bounds on sessions: the number of places, the waiting room, and budgets of minutes."""
