"""Big bytes under keys: one door, `base`, and its engines."""
