"""The soak: for minutes all that can go wrong goes wrong, and every promise is to be kept."""
