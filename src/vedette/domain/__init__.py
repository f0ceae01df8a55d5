"""Ground floor: values and pure rules, no I/O, imports nothing of ours."""
