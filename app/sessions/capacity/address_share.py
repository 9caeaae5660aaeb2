"""Share of a bounded resource that the visitors of one network address may use together."""


def share_of(number: int, percent: int) -> int | None:
    """The share of `number` at `percent`, rounded, at least 1; None when it is all of `number`."""
    share = max(1, (number * percent + 50) // 100)
    return share if share < number else None
