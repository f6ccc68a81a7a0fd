from __future__ import annotations

from airflow_provider_videoretalk.waiting.line import Line

NOW = 1_000_000.0


def line_of(*keys: str, spacing: float = 60.0) -> Line:
    """Queued in this order, the last one now."""
    line = Line()
    for place, key in enumerate(keys):
        line.seen(key, "PENDING", submitted_at=submitted(place, len(keys), spacing), now=NOW)
    return line


def submitted(place: int, count: int, spacing: float = 60.0) -> float:
    return NOW - spacing * (count - place)


def test_places() -> None:
    line = line_of("a", "b", "c")
    assert [line.place(key, now=NOW) for key in ("a", "b", "c", "stranger")] == ["open", "behind", "behind", "open"]
    assert [line.ahead(key) for key in ("a", "b", "c", "stranger")] == [0, 1, 2, None]
    line.seen("a", "RUNNING", submitted_at=submitted(0, 3), now=NOW)
    assert [line.place(key, now=NOW) for key in ("a", "b", "c")] == ["open", "next", "behind"]
    assert (line.head, len(line), line.rendering) == ("b", 2, 1)
    line.leave("a")
    assert line.place("b", now=NOW) == "open"


def test_an_end_calls_the_first_that_was_not_called() -> None:
    line = line_of("a", "b", "c")
    assert [line.call(), line.call()] == ["a", "b"]
    line.seen("a", "PENDING", submitted_at=submitted(0, 3), now=NOW)
    assert line.call() == "a"
    assert [line.call(), line.call()] == ["c", None]
    assert line.called("c")


def test_where_each_begin_follows_an_end_no_other_is_looked_for() -> None:
    line = line_of(*"abcdefgh")
    line.seen("a", "RUNNING", submitted_at=submitted(0, 8), now=NOW)
    for place, (ends, begins) in enumerate(zip("abcde", "bcdef", strict=True)):
        assert line.place(begins, now=NOW) == "next"
        line.leave(ends)
        assert line.call() == begins
        line.seen(begins, "RUNNING", submitted_at=submitted(place + 1, 8), now=NOW)
    assert line.place("g", now=NOW) == "behind"
    line.seen("g", "RUNNING", submitted_at=submitted(6, 8), now=NOW)
    assert line.place("h", now=NOW) == "next"


def test_an_order_that_does_not_hold() -> None:
    line = line_of("a", "b", "c")
    assert not line.seen("c", "RUNNING", submitted_at=submitted(2, 3), now=NOW)
    # What was seen of a before says nothing; that it still queues now does.
    assert line.place("b", now=NOW) == "behind"
    assert line.seen("a", "PENDING", submitted_at=submitted(0, 3), now=NOW + 5)
    assert not line.seen("b", "PENDING", submitted_at=submitted(1, 3), now=NOW + 6)
    assert [line.place(key, now=NOW + 10) for key in ("a", "b")] == ["open", "open"]
    assert line.place("b", now=NOW + 3600) == "behind"


def test_submits_of_about_the_same_time_have_no_order() -> None:
    line = line_of("a", "b", spacing=5)
    line.seen("b", "RUNNING", submitted_at=submitted(1, 2, 5), now=NOW)
    assert not line.seen("a", "PENDING", submitted_at=submitted(0, 2, 5), now=NOW)


def test_one_that_is_not_dated_has_no_place() -> None:
    line = line_of("a")
    assert not line.seen("x", "PENDING", submitted_at=0.0, now=NOW)
    assert line.ahead("x") is None
    assert list(line) == ["a"]
