"""What is remembered: one door, its engines, and the statements they share."""
