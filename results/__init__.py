"""What came out: from MLflow or records to one tidy table, and on to papers' tables beside the published numbers."""
