"""Benchmarks of the suite's own speed: run by hand, quoted as medians and ratios from one run."""
