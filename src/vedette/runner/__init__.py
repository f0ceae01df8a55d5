"""Role: runs pipelines."""
