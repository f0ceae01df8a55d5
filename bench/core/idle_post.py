"""A POST that does nothing, served as `vedette api` serves its own.

python -m bench.core.idle_post     prints its port and serves until it is ended
"""

from __future__ import annotations

import socket

import uvicorn
from fastapi import FastAPI

app = FastAPI()


@app.post("/nothing")
async def nothing() -> dict[str, str]:
    """Do nothing."""
    return {"status": "nothing"}


def main() -> None:
    """Serve on a port of the system's choice."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as taken:
        config = uvicorn.Config(app, log_level="warning", access_log=False)
        print(taken.getsockname()[1], flush=True)
        uvicorn.Server(config).run(sockets=[taken])


if __name__ == "__main__":
    main()
