"""Speech of the avatars: queued in order, said once, and dropped after a Stop."""
