"""What is said: one door and its engines."""
