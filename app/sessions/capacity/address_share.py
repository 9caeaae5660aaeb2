"""How much of what lasts the visitors of one network address may have together."""


def share_of(number: int, percent: int) -> int | None:
    """So many of a number, rounded, and at least one; None is all of them."""
    share = max(1, (number * percent + 50) // 100)
    return share if share < number else None
