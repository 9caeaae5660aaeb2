"""What the broker tells machines of itself: figures to be scraped, and traces."""
