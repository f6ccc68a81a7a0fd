"""One voice for one sample: what is reused, what is enrolled, and what a lost reply, a kill and another run change."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from state_store import TaskStateStore
from unit.submission.enrolling import FLASH, PREFIX, VC, CrashError, MovedClock, Voices, action_of

from airflow_provider_videoretalk.dashscope.errors import (
    AccessError,
    OutcomeUnknownError,
    RequestError,
    ServerError,
    ThrottledError,
    TransportError,
)
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.emulator.fake_engine import FakeEngine
from airflow_provider_videoretalk.emulator.faults import FaultRule
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings
from airflow_provider_videoretalk.submission import voice_enrollment
from airflow_provider_videoretalk.submission.enrollment_turn import EnrollmentTurn
from airflow_provider_videoretalk.submission.voice_enrollment import EnrolledVoice

DAY = 24 * 3600.0
_numbers = itertools.count()


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


Start = Callable[..., Voices]


@pytest.fixture
def start(clock: MovedClock) -> Iterator[Start]:
    """The voices of a new account at an emulator with the given settings."""
    running: list[Emulator] = []

    def starter(model: str = FLASH, **settings: Any) -> Voices:
        emulator = Emulator(EmulatorSettings(port=0, **settings), clock=clock, engine=FakeEngine())
        emulator.start()
        running.append(emulator)
        return Voices(emulator, key=f"sk-{next(_numbers)}", model=model)

    yield starter
    for emulator in running:
        emulator.stop()


@pytest.fixture
def voices(start: Start) -> Voices:
    return start()


@contextmanager
def dies_at(point: str) -> Iterator[None]:
    """The try within is killed there."""

    def fault_point(name: str) -> None:
        if name == point:
            raise CrashError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(voice_enrollment, "fault_point", fault_point)
        with pytest.raises(CrashError):
            yield


class Recorder:
    """A client that notes each action, and pauses that pass on the emulator's clock."""

    def __init__(self, voices: Voices, clock: MovedClock) -> None:
        self.steps: list[str] = []
        self._client = voices.client()
        self._clock = clock

    def send(self, request: Request[Any]) -> Any:
        self.steps.append(action_of(request))
        return self._client.send(request)

    def now(self) -> float:
        return self._clock()

    def pause(self, seconds: float) -> None:
        self.steps.append(f"{seconds:g} s")
        self._clock.advance(seconds)


@pytest.fixture
def get(clock: MovedClock) -> Callable[..., tuple[EnrolledVoice, list[str]]]:
    def run(voices: Voices, **given: Any) -> tuple[EnrolledVoice, list[str]]:
        recorder = Recorder(voices, clock)
        return voices.enrollment(recorder, pause=recorder.pause, now=recorder.now, **given).voice(), recorder.steps

    return run


@pytest.mark.parametrize("model", [FLASH, VC])
def test_the_first_run_enrols_and_the_next_ones_reuse(start: Start, get: Any, clock: MovedClock, model: str) -> None:
    voices = start(model)
    voices.enrol("another2")
    first, steps = get(voices)
    assert (first.reused, steps) == (False, ["list", "list", "create", "2 s", "list"])
    assert first.request_id
    assert first.voice.id in voices.ids
    assert first.voice.created is not None
    clock.advance(0.5)
    second, steps = get(voices)
    # It may be younger than another run's: it is looked at twice.
    assert (second.voice, second.reused, second.request_id, steps) == (first.voice, True, None, ["list", "2 s", "list"])
    assert len(voices.ids) == 2


def test_an_old_voice_is_reused_at_once(voices: Voices, get: Any, clock: MovedClock) -> None:
    clock.now -= DAY + 60
    old = voices.enrol()
    clock.now += DAY + 60
    found, steps = get(voices)
    assert (found.voice.id, steps) == (old, ["list"])


def test_nothing_is_remembered_after_success(voices: Voices, get: Any) -> None:
    states = TaskStateStore()
    get(voices, states=states)
    assert states.data == {}


def test_all_pages_are_read(start: Start, get: Any, clock: MovedClock) -> None:
    voices = start(VC)
    clock.now -= 2 * DAY
    mine = voices.enrol()
    for _ in range(130):
        clock.advance(1)
        voices.enrol("other2")
    clock.now += 2 * DAY
    found, steps = get(voices)
    # The third page shows that the second was the last.
    assert (found.voice.id, steps) == (mine, ["list"] * 3)


def test_a_service_with_small_pages(start: Start, clock: MovedClock) -> None:
    voices = start(VC)
    mine = voices.enrol()
    for _ in range(25):
        clock.advance(1)
        voices.enrol("other2")

    class SmallPages(Recorder):
        def send(self, request: Request[Any]) -> Any:
            if request.body["input"].get("page_size", 0) > 10:  # type: ignore[union-attr,index]
                raise RequestError("page_size must be at most 10", code="InvalidParameter")
            return super().send(request)

    recorder = SmallPages(voices, clock)
    assert voices.enrollment(recorder, pause=recorder.pause, now=recorder.now).voice().voice.id == mine
    assert recorder.steps == ["list"] * 3 + ["2 s"] + ["list"] * 3


@pytest.mark.parametrize(("refused", "sizes"), [(1, [100, 10]), (2, [100, 100])])
def test_a_list_that_is_refused_is_an_error(voices: Voices, clock: MovedClock, refused: int, sizes: list[int]) -> None:
    """From the first page on, at any size; or on the second page, after a first one that was full."""

    class Refusing(Recorder):
        def send(self, request: Request[Any]) -> Any:
            asked.append(request.body["input"]["page_size"])  # type: ignore[index]
            if refused == 1 or len(asked) == refused:
                raise RequestError("no such list", code="InvalidParameter")
            return request.parse({"output": {"voice_list": [{"voice_id": f"v-{number}"} for number in range(100)]}})

    asked: list[int] = []
    recorder = Refusing(voices, clock)
    with pytest.raises(RequestError, match="no such list"):
        voices.enrollment(recorder, pause=recorder.pause, now=recorder.now).voice()
    assert asked == sizes


class SecondLook(Recorder):
    """The second list has something else than the first one."""

    def __init__(self, voices: Voices, clock: MovedClock, *, seconds: float | None) -> None:
        super().__init__(voices, clock)
        self._voices, self._seconds = voices, seconds
        self.other = ""

    def pause(self, seconds: float) -> None:
        super().pause(seconds)
        if self._seconds is None:
            for voice in self._voices.all:
                self._voices.emulator.voices.delete(voice)
        else:
            self._clock.advance(self._seconds)
            self.other = self._voices.enrol()
            self._clock.advance(-self._seconds)


def test_a_young_voice_gives_way_to_an_older_one(voices: Voices, clock: MovedClock) -> None:
    """Another Airflow enrolled it before, and the list was late."""
    voices.enrol()
    recorder = SecondLook(voices, clock, seconds=-60)
    found = voices.enrollment(recorder, pause=recorder.pause, now=recorder.now).voice()
    assert (found.voice.id, recorder.steps) == (recorder.other, ["list", "2 s", "list"])
    assert len(voices.ids) == 2


def test_a_second_list_without_the_voice_changes_nothing(voices: Voices, clock: MovedClock) -> None:
    """A replica that lags behind may answer."""
    first = voices.enrol()
    recorder = SecondLook(voices, clock, seconds=None)
    found = voices.enrollment(recorder, pause=recorder.pause, now=recorder.now).voice()
    assert (found.voice.id, recorder.steps) == (first, ["list", "2 s", "list"])


def test_a_list_that_does_not_end_is_no_list(voices: Voices, clock: MovedClock) -> None:
    class Endless(Recorder):
        def send(self, request: Request[Any]) -> Any:
            start = 100 * request.body["input"]["page_index"]  # type: ignore[index]
            rows = [{"voice_id": f"v-{number}"} for number in range(start, start + 100)]
            self.steps.append(action_of(request))
            return request.parse({"output": {"voice_list": rows}})

    recorder = Endless(voices, clock)
    with pytest.raises(TransportError, match="did not end after 200 pages"):
        voices.enrollment(recorder, pause=recorder.pause, now=recorder.now).voice()
    assert recorder.steps == ["list"] * 200


def test_a_list_that_repeats_itself_has_ended(voices: Voices, clock: MovedClock) -> None:
    class Repeating(Recorder):
        def send(self, request: Request[Any]) -> Any:
            if action_of(request) != "list":
                return super().send(request)
            self.steps.append("list")
            return request.parse({"output": {"voice_list": [{"voice_id": f"v-{n}-{PREFIX}"} for n in range(50)]}})

    recorder = Repeating(voices, clock)
    assert voices.enrollment(recorder, pause=recorder.pause, now=recorder.now).voice().voice.id == f"v-0-{PREFIX}"
    assert recorder.steps == ["list", "list", "2 s", "list", "list"]


@pytest.mark.parametrize("effect", ["drop_after", "error_after", "html_after"])
def test_a_lost_reply_is_found_in_the_list(voices: Voices, get: Any, effect: Any) -> None:
    voices.emulator.faults.arm(FaultRule(operation="voices", effect=effect, after=2))
    found, steps = get(voices)
    assert steps == ["list", "list", "create", "2 s", "list", "2 s", "list"]
    assert (voices.ids, found.reused, found.request_id) == ({found.voice.id}, True, None)


def test_a_lost_reply_and_a_late_list(start: Start, get: Any) -> None:
    voices = start(list_delay=30)
    voices.emulator.faults.arm(FaultRule(operation="voices", effect="drop_after", after=2))
    found, steps = get(voices)
    searches = ["2 s", "list", "5 s", "list", "10 s", "list", "20 s", "list"]
    assert steps == ["list", "list", "create", *searches, "2 s", "list"]
    assert voices.ids == {found.voice.id}


def test_a_lost_reply_that_the_list_never_shows_is_an_error(voices: Voices, get: Any, clock: MovedClock) -> None:
    states = TaskStateStore()
    voices.emulator.faults.arm(FaultRule(operation="voices", effect="drop_before", after=2))
    with pytest.raises(OutcomeUnknownError, match=f"no voice with the prefix '{PREFIX}'.*clear the task"):
        get(voices, states=states)
    # A retry sends no second one.
    recorder = Recorder(voices, clock)
    with pytest.raises(OutcomeUnknownError):
        voices.enrollment(recorder, pause=recorder.pause, now=recorder.now, states=states).voice()
    assert "create" not in recorder.steps
    assert voices.ids == set()
    # A person has cleared the task.
    found, _ = get(voices, states=states, cleared=1)
    assert voices.ids == {found.voice.id}


def test_the_error_of_a_lost_reply_has_what_the_reply_said(voices: Voices, get: Any) -> None:
    fault = FaultRule(operation="voices", effect="error_before", status=500, code="InternalError.Algo", after=2)
    voices.emulator.faults.arm(fault)
    with pytest.raises(OutcomeUnknownError) as caught:
        get(voices)
    assert (caught.value.code, caught.value.status) == ("InternalError.Algo", 500)
    assert caught.value.request_id


def test_a_retry_finds_what_was_late(voices: Voices, get: Any) -> None:
    states = TaskStateStore()
    voices.emulator.faults.arm(FaultRule(operation="voices", effect="drop_before", after=2))
    with pytest.raises(OutcomeUnknownError):
        get(voices, states=states)
    late = voices.enrol()
    found, _ = get(voices, states=states)
    assert found.voice.id == late
    assert states.data == {}


def test_the_stored_intent(voices: Voices, get: Any, clock: MovedClock) -> None:
    states, begun = TaskStateStore(), clock()
    voices.emulator.faults.arm(FaultRule(operation="voices", effect="drop_before", after=2))
    with pytest.raises(OutcomeUnknownError):
        get(voices, states=states, cleared=3)
    assert states.data == {
        "videoretalk_voice": {
            "version": 1,
            "prefix": PREFIX,
            "intended_at": begun,
            "lost": True,
            "clear_count": {"max_tries": 3, "clear_number": 0},
        }
    }


def test_an_intent_that_cannot_be_read_is_none(voices: Voices, get: Any) -> None:
    whole = {"prefix": PREFIX, "intended_at": 0.0, "lost": True, "clear_count": {"max_tries": 0, "clear_number": 0}}
    wrong = ({"intended_at": "soon"}, {"intended_at": None}, {"clear_count": {"more": 1}}, {"clear_count": 3})
    for damaged in (3, {"version": 2}, *(whole | each for each in wrong)):
        found, _ = get(voices, states=TaskStateStore({"videoretalk_voice": damaged}))
        assert voices.ids == {found.voice.id}


def test_the_intent_of_another_sample_says_nothing(voices: Voices, get: Any) -> None:
    intent = {
        "version": 1,
        "prefix": "other2",
        "intended_at": 0.0,
        "lost": True,
        "clear_count": {"max_tries": 0, "clear_number": 0},
    }
    found, steps = get(voices, states=TaskStateStore({"videoretalk_voice": intent}))
    assert (found.reused, steps) == (False, ["list", "list", "create", "2 s", "list"])


@pytest.mark.parametrize(
    ("rule", "kind"),
    [
        ({"effect": "throttle"}, ThrottledError),
        ({"effect": "error_before", "status": 400, "code": "Audio.AudioSilentError"}, RequestError),
        (
            {
                "effect": "error_before",
                "status": 429,
                "code": "Throttling.AllocationQuota",
                "message": "Maximum voice storage limit exceeded.",
            },
            AccessError,
        ),
    ],
)
def test_a_refused_enrolment_leaves_no_doubt(voices: Voices, get: Any, rule: dict[str, Any], kind: Any) -> None:
    states = TaskStateStore()
    voices.emulator.faults.arm(FaultRule(operation="voices", after=2, **rule))
    with pytest.raises(kind):
        get(voices, states=states)
    assert (states.data, voices.ids) == ({}, set())


def test_a_failing_list_enrols_nothing(voices: Voices, get: Any) -> None:
    voices.emulator.faults.arm(FaultRule(operation="voices", effect="error_before"))
    with pytest.raises(ServerError):
        get(voices)
    assert voices.ids == set()


def other_turn(voices: Voices, clock: MovedClock, variables: TaskStateStore) -> EnrollmentTurn:
    """That of a run that enrols the same sample."""
    other = "dag/other/voice/-1"
    turn = EnrollmentTurn(variables, account=voices.account, voice=PREFIX, task_instance=other, clock=clock)
    assert turn.has_come()
    return turn


def test_a_run_waits_for_the_one_that_enrols(voices: Voices, clock: MovedClock) -> None:
    variables = TaskStateStore()
    other_turn(voices, clock, variables)

    class Waiting(Recorder):
        def pause(self, seconds: float) -> None:
            super().pause(seconds)
            if seconds == 5 and self.steps.count("5 s") == 2:
                voices.enrol()

    recorder = Waiting(voices, clock)
    found = voices.enrollment(recorder, pause=recorder.pause, now=recorder.now, variables=variables).voice()
    # It does not wait for the end of the other run: the list has the voice.
    assert recorder.steps == ["list", "list", "5 s", "list", "5 s", "list", "2 s", "list"]
    assert (voices.ids, found.reused) == ({found.voice.id}, True)
    assert len(variables) == 1


def test_a_run_enrols_after_one_that_failed(voices: Voices, clock: MovedClock) -> None:
    variables = TaskStateStore()
    other = other_turn(voices, clock, variables)

    class Waiting(Recorder):
        def pause(self, seconds: float) -> None:
            super().pause(seconds)
            other.end()

    recorder = Waiting(voices, clock)
    found = voices.enrollment(recorder, pause=recorder.pause, now=recorder.now, variables=variables).voice()
    assert recorder.steps == ["list", "list", "5 s", "list", "create", "2 s", "list"]
    assert (voices.ids, found.reused) == ({found.voice.id}, False)
    assert variables.data == {}


def test_the_next_run_waits_until_a_late_list_has_the_voice(start: Start, get: Any) -> None:
    voices, variables = start(list_delay=30), TaskStateStore()
    first, _ = get(voices, variables=variables)
    second, steps = get(voices, variables=variables, task_instance="dag/other/voice/-1")
    assert voices.ids == {first.voice.id} == {second.voice.id}
    assert steps == ["list", *["list", "5 s"] * 6, "list", "2 s", "list"]


def test_a_lost_reply_keeps_the_turn(voices: Voices, get: Any) -> None:
    variables = TaskStateStore()
    voices.emulator.faults.arm(FaultRule(operation="voices", effect="drop_before", after=2))
    with pytest.raises(OutcomeUnknownError):
        get(voices, variables=variables)
    _, steps = get(voices, variables=variables, task_instance="dag/other/voice/-1")
    assert steps[:3] == ["list", "list", "5 s"]
    # Ten minutes after the number was taken: the search took one.
    assert 100 <= steps.count("5 s") <= 110
    assert len(voices.ids) == 1


def test_a_killed_try_leaves_its_turn_to_the_next(voices: Voices, get: Any) -> None:
    states, variables = TaskStateStore(), TaskStateStore()
    with dies_at("after_post"):
        get(voices, states=states, variables=variables)
    assert len(variables) == 1
    found, steps = get(voices, states=states, variables=variables)
    assert (voices.ids, steps) == ({found.voice.id}, ["list", "2 s", "list"])
    assert (states.data, variables.data) == ({}, {})


@pytest.mark.parametrize("effect", ["throttle", "error_before"])
def test_a_failure_after_the_enrolment_keeps_the_turn(start: Start, get: Any, effect: Any) -> None:
    """The list is late, so that nobody else knows of the voice."""
    voices, states, variables = start(list_delay=30), TaskStateStore(), TaskStateStore()
    voices.emulator.faults.arm(FaultRule(operation="voices", effect=effect, after=3))
    with pytest.raises((ThrottledError, ServerError)):
        get(voices, states=states, variables=variables)
    other, steps = get(voices, variables=variables, task_instance="dag/other/voice/-1")
    own, own_steps = get(voices, states=states, variables=variables)
    assert voices.ids == {own.voice.id} == {other.voice.id}
    assert "create" not in [*steps, *own_steps]
    assert (states.data, variables.data) == ({}, {})


def test_a_kill_after_success_and_a_late_list(start: Start, get: Any) -> None:
    """The task's own retry, too, waits until the list has the voice."""
    voices, states, variables = start(list_delay=30), TaskStateStore(), TaskStateStore()
    first, _ = get(voices, states=states, variables=variables)
    again, steps = get(voices, states=states, variables=variables)
    assert voices.ids == {first.voice.id} == {again.voice.id}
    assert steps == ["list", "2 s", "list", "5 s", "list", "10 s", "list", "20 s", "list", "2 s", "list"]
    assert (states.data, variables.data) == ({}, {})


def test_a_clear_of_a_try_that_enrols(start: Start, get: Any) -> None:
    """It ends the doubt about a lost reply; that a voice may be on its way is none."""
    voices, states, variables = start(list_delay=30), TaskStateStore(), TaskStateStore()
    with dies_at("after_post"):
        get(voices, states=states, variables=variables)
    found, steps = get(voices, states=states, variables=variables, cleared=1)
    assert voices.ids == {found.voice.id}
    assert "create" not in steps


@pytest.mark.parametrize("after", [1, 2])
def test_a_failure_ends_the_turn(voices: Voices, get: Any, after: int) -> None:
    variables = TaskStateStore()
    voices.emulator.faults.arm(FaultRule(operation="voices", effect="throttle", after=after))
    with pytest.raises(ThrottledError):
        get(voices, variables=variables)
    assert variables.data == {}


class Meanwhile(Recorder):
    """A run of another Airflow enrols the same sample before or after the enrolment of this one."""

    def __init__(self, voices: Voices, clock: MovedClock, *, before: bool) -> None:
        super().__init__(voices, clock)
        self._voices, self._before = voices, before
        self.other = ""

    def send(self, request: Request[Any]) -> Any:
        if action_of(request) != "create":
            return super().send(request)
        if self._before:
            self.other = self._voices.enrol()
            self._clock.advance(1)
        made = super().send(request)
        if not self._before:
            self._clock.advance(1)
            self.other = self._voices.enrol()
        return made


def test_another_airflow_was_first(voices: Voices, clock: MovedClock) -> None:
    recorder = Meanwhile(voices, clock, before=True)
    found = voices.enrollment(recorder, pause=recorder.pause, now=recorder.now).voice()
    assert recorder.steps == ["list", "list", "create", "2 s", "list", "delete"]
    assert (found.voice.id, found.reused, found.request_id) == (recorder.other, True, None)
    assert voices.ids == {recorder.other}


def test_a_surplus_voice_may_be_kept(voices: Voices, clock: MovedClock) -> None:
    recorder = Meanwhile(voices, clock, before=True)
    found = voices.enrollment(recorder, pause=recorder.pause, now=recorder.now, surplus="keep").voice()
    assert (found.voice.id, len(voices.ids)) == (recorder.other, 2)


def test_another_airflow_was_first_and_the_list_is_late(voices: Voices, clock: MovedClock) -> None:
    """It has the other voice, and not the one that was enrolled just now, whose time is therefore unknown."""

    class OwnIsLate(Meanwhile):
        own = ""

        def send(self, request: Request[Any]) -> Any:
            answer = super().send(request)
            if action_of(request) == "create":
                self.own = answer.id
            if action_of(request) != "list":
                return answer
            return replace(answer, voices=[voice for voice in answer.voices if voice.id != self.own])

    recorder = OwnIsLate(voices, clock, before=True)
    found = voices.enrollment(recorder, pause=recorder.pause, now=recorder.now).voice()
    assert (found.voice.id, found.reused) == (recorder.other, True)
    assert voices.ids == {recorder.other}


def test_another_airflow_was_second(voices: Voices, clock: MovedClock) -> None:
    recorder = Meanwhile(voices, clock, before=False)
    found = voices.enrollment(recorder, pause=recorder.pause, now=recorder.now).voice()
    # Its own run deletes the other one.
    assert "delete" not in recorder.steps
    assert (found.reused, len(voices.ids)) == (False, 2)
    assert found.voice.id != recorder.other


def test_voices_of_one_second_are_ordered_by_their_ids(voices: Voices, get: Any, clock: MovedClock) -> None:
    clock.now = int(clock.now)
    made = sorted(voices.enrol() for _ in range(5))
    found, _ = get(voices)
    assert found.voice.id == made[0]
    assert voices.ids == set(made)


@pytest.mark.parametrize(
    ("code", "is_left"),
    [
        ("BadRequest.ResourceNotExist", False),
        ("BadRequest.VoiceNotFound", False),
        ("VoiceNotFound", False),
        ("InternalError", True),
    ],
)
def test_a_surplus_voice_that_cannot_be_deleted_fails_nothing(
    voices: Voices, clock: MovedClock, code: str, is_left: bool, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Meanwhile(voices, clock, before=True)
    voices.emulator.faults.arm(FaultRule(operation="voices", effect="error_before", status=400, code=code, after=4))
    assert voices.enrollment(recorder, pause=recorder.pause, now=recorder.now).voice().voice.id == recorder.other
    assert ("could not be deleted" in caplog.text) is is_left


def test_a_throttled_deletion_is_sent_again_by_the_next_attempt(voices: Voices, clock: MovedClock, get: Any) -> None:
    recorder, states = Meanwhile(voices, clock, before=True), TaskStateStore()
    voices.emulator.faults.arm(FaultRule(operation="voices", effect="throttle", after=4))
    with pytest.raises(ThrottledError):
        voices.enrollment(recorder, pause=recorder.pause, now=recorder.now, states=states).voice()
    found, _ = get(voices, states=states)
    assert voices.ids == {found.voice.id} == {recorder.other}


def test_a_voice_that_takes_its_time(start: Start, get: Any) -> None:
    voices = start(voice_seconds=5)
    found, steps = get(voices)
    assert steps == ["list", "list", "create", "2 s", "list", "2 s", "query", "4 s", "query"]
    assert found.voice.id in voices.ids


def test_a_voice_that_takes_too_long(start: Start, get: Any) -> None:
    voices = start(voice_seconds=1000)
    with pytest.raises(TransportError, match="not ready after 239 s") as caught:
        get(voices)
    assert caught.value.retryable


def test_a_surplus_voice_is_deleted_also_if_the_chosen_one_takes_too_long(start: Start, clock: MovedClock) -> None:
    voices = start(voice_seconds=1000)
    recorder = Meanwhile(voices, clock, before=True)
    with pytest.raises(TransportError, match="not ready"):
        voices.enrollment(recorder, pause=recorder.pause, now=recorder.now).voice()
    assert voices.ids == {recorder.other}


class Refused(Recorder):
    """The service refuses each voice in the end."""

    def send(self, request: Request[Any]) -> Any:
        answer = super().send(request)
        if action_of(request) != "list":
            return answer
        rows = [{"voice_id": voice.id, "status": "UNDEPLOYED"} for voice in answer.voices]
        return request.parse({"output": {"voice_list": rows}})


def test_a_voice_that_the_service_refuses(voices: Voices, clock: MovedClock) -> None:
    recorder = Refused(voices, clock)
    with pytest.raises(RequestError, match=r"UNDEPLOYED.*give another sample"):
        voices.enrollment(recorder, pause=recorder.pause, now=recorder.now).voice()


def test_twenty_kills_leave_one_voice(voices: Voices, get: Any, clock: MovedClock, monkeypatch: Any) -> None:
    points = ["before_intent", "after_intent", "after_post", "after_id"]
    states, kills = TaskStateStore(), iter(points * 5)
    reached: list[str] = []
    armed = [next(kills)]

    def fault_point(name: str) -> None:
        if armed and name == armed[0]:
            armed.pop()
            reached.append(name)
            raise CrashError

    monkeypatch.setattr(voice_enrollment, "fault_point", fault_point)
    for _ in range(20):
        # Each point is reached only by a try that enrols.
        for voice in voices.all:
            voices.emulator.voices.delete(voice)
        with pytest.raises(CrashError):
            get(voices, states=states)
        assert len(voices.ids) == (reached[-1] in ("after_post", "after_id"))
        clock.advance(60)
        found, _ = get(voices, states=states)
        assert voices.ids == {found.voice.id}
        armed.extend(list(itertools.islice(kills, 1)))
    assert len(reached) == 20


def test_a_killed_try_and_a_late_list(start: Start, get: Any) -> None:
    voices, states = start(list_delay=30), TaskStateStore()
    with dies_at("after_post"):
        get(voices, states=states)
    found, steps = get(voices, states=states)
    assert voices.ids == {found.voice.id}
    assert "create" not in steps


def test_a_try_that_was_killed_a_minute_ago_is_not_waited_for(voices: Voices, get: Any, clock: MovedClock) -> None:
    states = TaskStateStore()
    for elapsed, steps in ((70, ["list"]), (60, ["list", "2 s", "list", "5 s", "list"])):
        with dies_at("after_intent"):
            get(voices, states=states)
        clock.advance(elapsed)
        found, taken = get(voices, states=states)
        assert taken == [*steps, "list", "create", "2 s", "list"]
        voices.emulator.voices.delete(voices.all[0])
        assert found.reused is False


def test_a_new_voice_that_the_list_does_not_show_yet(start: Start, get: Any) -> None:
    voices = start(list_delay=30)
    found, steps = get(voices)
    assert steps == ["list", "list", "create", "2 s", "list"]
    assert ({found.voice.id}, found.reused, found.voice.created) == (voices.ids, False, None)


def test_a_refused_voice_is_the_last_choice(voices: Voices, clock: MovedClock) -> None:
    first = voices.enrol()
    clock.advance(60)
    second = voices.enrol()

    class FirstRefused(Recorder):
        def send(self, request: Request[Any]) -> Any:
            answer = super().send(request)
            refused = {first: "UNDEPLOYED"}
            rows = [{"voice_id": voice.id, "status": refused.get(voice.id, "OK")} for voice in answer.voices]
            return request.parse({"output": {"voice_list": rows}})

    recorder = FirstRefused(voices, clock)
    assert voices.enrollment(recorder, pause=recorder.pause, now=recorder.now).voice().voice.id == second
