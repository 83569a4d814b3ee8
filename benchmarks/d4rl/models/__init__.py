"""Frozen models: trained once per data set, then shared by every run that imagines with them or samples from them."""
