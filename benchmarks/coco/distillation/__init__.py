"""What every feature-distillation loss of one feature level shares: its contract and the parts it is built from."""
