"""Drawings by matplotlib, a file per kind of figure: numbers in, a `Figure` out. They know nothing of runs or claims."""
