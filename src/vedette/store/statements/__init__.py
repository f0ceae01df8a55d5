"""What is asked and written, one file per subject."""
