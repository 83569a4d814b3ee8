"""What is measured: tasks, data, protocols, metrics and the training harness every method of a benchmark shares."""
