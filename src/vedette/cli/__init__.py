"""The command line: one file per verb; `--help` imports no room."""
