"""`vedette`, and `python -m vedette`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; Ctrl-C ends it without a traceback from the first moment on."""
    try:
        from vedette.cli.app import app

        app(prog_name="vedette")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
