"""Who may open a session now: capacity, the waiting room and budgets."""
