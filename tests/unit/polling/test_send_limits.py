from __future__ import annotations

import math

from airflow_provider_videoretalk.polling.send_limits import InFlight, Throttling


def test_queries_that_failed_take_half_of_the_rate_and_four_turns() -> None:
    in_flight = InFlight()
    assert in_flight.failing_turn == -math.inf
    in_flight.begin_failing(now=10.0, per_second=18.0)
    assert in_flight.failing_turn == 10.0 + 1 / 9
    for _ in range(3):
        in_flight.begin_failing(now=10.0, per_second=18.0)
    assert in_flight.failing_turn == math.inf
    in_flight.end_failing()
    assert in_flight.failing_turn < math.inf


def test_three_refusals_in_a_row_are_the_account_s() -> None:
    throttling = Throttling()
    assert [throttling.refused(query) for query in "abc"] == ["unclear", "unclear", "account"]


def test_a_query_that_is_refused_again_while_others_are_answered_is_one() -> None:
    throttling = Throttling()
    assert throttling.refused("a") == "unclear"
    throttling.answered("b")
    assert throttling.refused("a") == "one"
    throttling.forget("a")
    assert throttling.refused("a") == "unclear"
