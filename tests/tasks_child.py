"""A worker as a process: `tasks_child.py FOLDER NAME LEASE_MS`; prints the id of each task it does.

It takes tasks of kind `add` one at a time and gives the sum of the numbers in the payload, until
none is open any more.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from vedette.domain.errors import StaleToken
from vedette.domain.task import TaskState
from vedette.store.base import Transaction
from vedette.store.sqlite import SqliteStore
from vedette.store.statements import tasks


def _is_open(transaction: Transaction) -> bool:
    states = (TaskState.PENDING, TaskState.IN_PROGRESS)
    return any(tasks.list_tasks(transaction, state=state, limit=1) for state in states)


def main(folder: str, name: str, lease_ms: str) -> None:
    store = SqliteStore(Path(folder))
    while store.read(_is_open):
        taken = store.write(
            lambda it: tasks.take(it, name, ["add"], limit=1, lease_ms=int(lease_ms))
        )
        if not taken:
            time.sleep(0.01)  # Work: somebody else has the last ones.
        for one in taken:
            time.sleep(0.005)
            result = json.dumps({"sum": sum(json.loads(one.payload)), "by": one.token})
            try:
                store.write(
                    lambda it, one=one, result=result: tasks.complete(it, one.id, one.token, result)
                )
            except StaleToken:
                continue
            print(one.id, flush=True)
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
