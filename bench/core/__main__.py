"""One part of the durable core's rows by itself, or several.

python -m bench.core [PART …] [--repeats N]     writes bench/out/core-PART.json
"""

from __future__ import annotations

import argparse

from bench.core.rows import PARTS
from bench.report import publish


def main() -> None:
    """Measure the parts that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=", ".join(PARTS))
    parser.add_argument("--repeats", type=int, default=1)
    chosen = parser.parse_args()
    for name in chosen.parts or PARTS:
        publish(f"core-{name}", PARTS[name](chosen.repeats))


if __name__ == "__main__":
    main()
