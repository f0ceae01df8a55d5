"""`python -m bench core`: what the durable core takes, and what it withstands."""
