"""What our runs say of the published numbers of a table: the rules of `results.verdict`, applied to selected runs."""
