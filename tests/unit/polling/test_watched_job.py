from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_videoretalk.polling.watched_job import Agenda

KEYS = st.sampled_from("abcdef")


@given(st.lists(st.tuples(st.booleans(), KEYS, st.integers(0, 5)), max_size=40), st.integers(-1, 6))
def test_an_agenda_is_a_sorted_dictionary(steps: list[tuple[bool, str, int]], until: int) -> None:
    agenda, model = Agenda(), {}
    for put, key, time in steps:
        if put:
            agenda.put(key, time)
            model[key] = time
        else:
            agenda.drop(key)
            model.pop(key, None)
    order = sorted((time, key) for key, time in model.items())
    assert list(agenda) == [key for _, key in order]
    assert agenda.first == (order[0] if order else (math.inf, ""))
    assert len(agenda) == len(order)
    assert agenda.count(until=until) == sum(time <= until for time in model.values())
    for rank, (time, key) in enumerate(order):
        assert agenda.rank(key) == rank
        assert agenda.time(key) == time
    assert agenda.rank("g") is None
