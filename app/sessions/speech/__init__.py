"""Everything an avatar says: in order, once, and not any more after Stop."""
