"""Messages that wait, and answers that are remembered."""

from __future__ import annotations

import pytest

from vedette.domain.errors import Conflict
from vedette.store.base import Store, Transaction
from vedette.store.statements import idempotency, outbox
from vedette.store.statements.idempotency import Answer


def test_messages_wait_in_the_order_of_writing_until_they_are_dropped(store: Store) -> None:
    for key in ("a", "b", "c"):
        store.write(lambda it, key=key: outbox.add(it, "events", key, f'"{key}"'))

    first = store.read(lambda it: outbox.waiting(it, 2))
    store.write(lambda it: outbox.drop(it, [row.id for row in first]))
    store.write(lambda it: outbox.drop(it, [row.id for row in first]))
    rest = store.read(lambda it: outbox.waiting(it, 2))

    assert [(row.topic, row.key, row.payload) for row in first] == [
        ("events", "a", '"a"'),
        ("events", "b", '"b"'),
    ]
    assert [row.key for row in rest] == ["c"]


def test_many_messages_written_at_once_wait_in_their_order(store: Store) -> None:
    said = [(str(number), f'"{number}"') for number in range(50)]

    store.write(lambda it: outbox.add_all(it, "events", said))

    rows = store.read(lambda it: outbox.waiting(it, 99))
    assert [(row.key, row.payload) for row in rows] == said


def test_a_message_of_an_undone_transaction_was_never_there(store: Store) -> None:
    def think_again(it: Transaction) -> None:
        outbox.add(it, "events", "a", "")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        store.write(think_again)

    assert store.read(lambda it: outbox.waiting(it, 9)) == []


def test_the_number_of_a_dropped_message_is_never_used_again(store: Store) -> None:
    def pass_through(it: Transaction) -> int:
        outbox.add(it, "events", "", "")
        (row,) = outbox.waiting(it, 9)
        outbox.drop(it, [row.id])
        return row.id

    assert store.write(pass_through) < store.write(pass_through)


def test_the_same_request_gets_the_same_answer(store: Store) -> None:
    store.write(lambda it: idempotency.remember(it, "key", "print", 201, '{"id": 1}'))

    again = store.read(lambda it: idempotency.remembered(it, "key", "print"))
    other = store.read(lambda it: idempotency.remembered(it, "other", "print"))

    assert again == Answer(201, '{"id": 1}')
    assert other is None


def test_a_key_that_came_with_another_request_is_refused(store: Store) -> None:
    store.write(lambda it: idempotency.remember(it, "key", "print", 201, "{}"))

    with pytest.raises(Conflict, match="'key'"):
        store.read(lambda it: idempotency.remembered(it, "key", "another"))


def test_old_answers_are_forgotten(store: Store) -> None:
    store.write(lambda it: idempotency.remember(it, "key", "print", 201, "{}"))

    kept = store.write(lambda it: idempotency.forget_before(it, it.wall_ms - 60_000))
    forgotten = store.write(lambda it: idempotency.forget_before(it, it.wall_ms + 60_000))

    assert (kept, forgotten) == (0, 1)
    assert store.read(lambda it: idempotency.remembered(it, "key", "another")) is None
