"""What came out: from MLflow or records to one tidy table, and from there to a paper's tables beside its published numbers."""
