"""Benchmarks and the soak test; a benchmark compares two things in one run on one machine."""
