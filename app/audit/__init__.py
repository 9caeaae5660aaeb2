"""The audit record: its entries, how they are written, read and deleted."""
