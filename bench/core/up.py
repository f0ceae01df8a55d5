"""How soon `vedette up` is up."""

from __future__ import annotations

import signal
import statistics
import subprocess
import sys
import time
from tempfile import TemporaryDirectory

from bench.report import Row, row_of

IMPORTS = (
    "import alembic.command, cryptography.fernet, cv2, fastapi, multipart, numpy, pyarrow\n"
    "import sqlalchemy, uvicorn, websockets, typer, av\n"
)


def up_rows(repeats: int) -> list[Row]:
    """Give how long it takes to be ready, apart from importing what it needs."""
    ready, imports = [], []
    for _ in range(repeats):
        with TemporaryDirectory() as folder:
            imports.append(imports_s())
            started = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-m", "vedette", "up", "--data", folder, "--listen",
                 "127.0.0.1:0"],
                stdout=subprocess.PIPE,
                text=True,
            )  # fmt: skip
            assert process.stdout is not None
            process.stdout.readline()
            ready.append(time.perf_counter() - started - imports[-1])
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=20)
    return [
        row_of("vedette up: its imports", imports, "s"),
        row_of("vedette up: ready after its imports", ready, "s", "<= 1"),
    ]


def imports_s() -> float:
    """Give how long a fresh interpreter takes to import what `up` uses."""
    values = []
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", IMPORTS], check=True)
        values.append(time.perf_counter() - started)
    return statistics.median(values)
