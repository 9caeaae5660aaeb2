"""The broker's log, metrics and traces."""
