"""Enrols a voice once for each sample and model, and finds it again.

An enrolment is not idempotent, has no key, and its reply can be lost. So the account's list decides, by a prefix that
the sample and the model determine:

1. A voice with the prefix is used. Of several, all runs choose the same: the oldest, then the first by its id.
2. Without one, the task waits for its turn and reads the list again. Then the intent is stored and one enrolment is
   sent.
3. After it the list is read again. Another Airflow may have enrolled the same sample at the same time: what this task
   has enrolled and is not the chosen one is surplus.

The service's times have whole seconds. So a voice is chosen for good only when the second of its enrolment has passed:
younger ones are looked at twice, with a pause of :data:`SETTLE_SECONDS`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.errors import (
    DashScopeError,
    OutcomeUnknownError,
    RequestError,
    ThrottledError,
    TransportError,
)
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.model_catalog.voices import (
    PAGE_SIZES,
    CreatedVoice,
    Voice,
    VoicePage,
    delete_voice,
    has_prefix,
    list_voices,
    query_voice,
)
from airflow_provider_videoretalk.submission.enrollment_turn import EnrollmentTurn
from airflow_provider_videoretalk.submission.fault_points import fault_point
from airflow_provider_videoretalk.submission.record import ClearCount
from airflow_provider_videoretalk.submission.record_store import Store

SurplusPolicy = Literal["delete", "keep"]
"""What to do about a voice that the task has enrolled and that is not used, because another Airflow was first."""

SETTLE_SECONDS = 2.0
TURN_PAUSE = 5.0
SEARCH_PAUSES = (2.0, 5.0, 10.0, 20.0, 30.0)
"""Seconds between the readings of the list after an enrolment of which nobody knows whether it made a voice."""

_STATE = "videoretalk_voice"
_SETTLED_AFTER = timedelta(days=1)
_MAX_PAGES = 200
# A service that gives smaller pages than were asked for gives no smaller ones than its default.
_SMALLEST_PAGE = min(PAGE_SIZES)
_READY_PAUSES = (2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 60.0, 60.0)
_NOT_FOUND = ("BadRequest.ResourceNotExist", "BadRequest.VoiceNotFound", "VoiceNotFound")
_LATEST = datetime.max.replace(tzinfo=timezone.utc)

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EnrolledVoice:
    """The voice of a sample.

    :param reused: whether an earlier enrolment made it
    :param request_id: of the enrolment; ``None`` if the voice existed, or the reply was lost
    """

    voice: Voice
    reused: bool
    request_id: str | None


@dataclass(frozen=True, kw_only=True)
class _Intent:
    """An enrolment that a try was about to send.

    :param intended_at: in seconds since the epoch, by the clock of the try's worker
    :param lost: whether its reply is known to be lost; a try that was killed does not know
    """

    prefix: str
    intended_at: float
    lost: bool
    clear_count: ClearCount


@dataclass(frozen=True, kw_only=True)
class VoiceEnrollment:
    """Gets or enrols the voice of one sample for one model.

    :param prefix: see :func:`~airflow_provider_videoretalk.model_catalog.voices.voice_prefix`
    :param create: makes the request of the enrolment. It is called only if there is no voice
    :param states: of the task
    :param clear_count: of the task: a clear ends the doubt about an enrolment whose reply was lost
    :param turn: of the task, among all that enrol the sample
    :param pause: waits for some seconds
    :param now: seconds since the epoch
    """

    client: Client
    target_model: str
    prefix: str
    create: Callable[[], Request[CreatedVoice]]
    states: Store
    clear_count: ClearCount
    turn: EnrollmentTurn
    surplus: SurplusPolicy = "delete"
    pause: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time

    def voice(self) -> EnrolledVoice:
        """
        :raises OutcomeUnknownError: the reply to the enrolment was lost, and the list does not have the voice
        :raises RequestError: the service refuses the sample
        :raises ThrottledError: the account is throttled; nothing was enrolled
        :raises DashScopeError: see :mod:`airflow_provider_videoretalk.dashscope.errors`
        """
        fault_point("before_list")
        intent = self._intent()
        found = self._listed() or (self._search(intent.intended_at) if intent else [])
        wants_to_enrol = not found
        created: CreatedVoice | None = None
        if wants_to_enrol:
            if intent and intent.lost:
                raise self._unknown_outcome()
            created, found = self._enrol_in_turn()
        late = created if created and all(voice.id != created.id for voice in found) else None
        if late:
            # Without a time, this voice is the last one.
            found.append(Voice(id=late.id, created=None, status=""))
        elif created is None and not _is_settled(_first(found)):
            self.pause(SETTLE_SECONDS)
            found = self._listed() or found
        chosen = _first(found)
        self._remove_surplus(self._surplus(found, chosen, created))
        chosen = self._when_ready(chosen)
        # While the list is late, another try searches it, and other runs wait until it has the voice.
        if not late:
            self.states.delete(_STATE)
            if wants_to_enrol or intent:
                self.turn.end()
        is_own = created is not None and created.id == chosen.id
        return EnrolledVoice(
            voice=chosen, reused=not is_own, request_id=created.request_id if created and is_own else None
        )

    def _surplus(self, found: Collection[Voice], chosen: Voice, created: CreatedVoice | None) -> list[Voice]:
        """The voices that this task has enrolled and does not use.

        If it does not know which voice it has enrolled, because a try was killed or a reply was lost, that is any of
        those that no run chooses.
        """
        others = [voice for voice in found if voice.id != chosen.id]
        if created is not None:
            return [voice for voice in others if voice.id == created.id]
        return others if self._intent() else []

    def _enrol_in_turn(self) -> tuple[CreatedVoice | None, list[Voice]]:
        """Enrols the voice unless another run is first; returns the same as :meth:`_enrol`."""
        try:
            found = self._found_before_turn()
            return (None, found) if found else self._enrol()
        except Exception:
            # With an intent, the service may have made the voice. Then other runs wait until the list has it.
            if self._intent() is None:
                self.turn.end()
            raise

    def _found_before_turn(self) -> list[Voice]:
        """The voices that the list has before it is this task's turn to enrol one; none if its turn has come."""
        while True:
            has_come = self.turn.has_come()
            found = self._listed()
            if found or has_come:
                return found
            self.pause(TURN_PAUSE)

    def _enrol(self) -> tuple[CreatedVoice | None, list[Voice]]:
        """Sends the one enrolment; returns its reply, and the voices that the list has after it."""
        request = self.create()
        fault_point("before_intent")
        intended_at = self.now()
        self._store_intent(intended_at, lost=False)
        fault_point("after_intent")
        try:
            created = self.client.send(request)
        except OutcomeUnknownError as error:
            self._store_intent(intended_at, lost=True)
            log.warning("The reply to the enrolment was lost; the list of voices is searched for it: %s", error)
            # The time until the reply was lost does not count.
            found = self._search(self.now())
            if not found:
                raise self._unknown_outcome(error) from error
            return None, found
        except DashScopeError:
            # Nothing was enrolled.
            self.states.delete(_STATE)
            raise
        fault_point("after_post")
        if created.warning:
            log.warning("The service enrolled the voice, but says that the sample is poor: %s", created.warning)
        self.pause(SETTLE_SECONDS)
        found = self._listed()
        fault_point("after_id")
        return created, found

    def _listed(self) -> list[Voice]:
        """All voices of the sample that the account's list has."""
        found: dict[str, Voice] = {}
        seen: set[str] = set()
        size = PAGE_SIZES[0]
        for number in range(_MAX_PAGES):
            page, size = self._page(number, size)
            new = {voice.id for voice in page.voices} - seen
            seen |= new
            found |= {voice.id: voice for voice in page.voices if has_prefix(voice.id, self.prefix)}
            if page.rows < _SMALLEST_PAGE or not new:
                return list(found.values())
        raise TransportError(
            f"the account's list of voices did not end after {_MAX_PAGES} pages",
            remedy="The endpoint's list is not usable. Report it, and pass the voice's id to the speech yourself.",
        )

    def _page(self, number: int, size: int) -> tuple[VoicePage, int]:
        """A page, and the size that the service accepts."""
        request = list_voices(target_model=self.target_model, prefix=self.prefix, page=number, page_size=size)
        try:
            return self.client.send(request), size
        except RequestError:
            if number or size == _SMALLEST_PAGE:
                raise
        return self._page(number, _SMALLEST_PAGE)

    def _search(self, since: float) -> list[Voice]:
        """Reads the list until it has the voice, for a minute from ``since`` on."""
        for seconds in SEARCH_PAUSES:
            if self.now() >= since + sum(SEARCH_PAUSES):
                break
            self.pause(seconds)
            found = self._listed()
            if found:
                return found
        return []

    def _remove_surplus(self, voices: Collection[Voice]) -> None:
        for voice in voices:
            if self.surplus == "keep":
                log.warning("The voice %s is surplus: another Airflow enrolled the same sample. It is kept", voice.id)
                continue
            try:
                self.client.send(delete_voice(target_model=self.target_model, voice=voice.id))
            except ThrottledError:
                raise
            except DashScopeError as error:
                if error.code not in _NOT_FOUND:
                    log.warning("The surplus voice %s could not be deleted: %s", voice.id, error)
                continue
            log.info("Deleted the voice %s, which this task enrolled while another Airflow did the same", voice.id)

    def _when_ready(self, voice: Voice) -> Voice:
        """The voice, once the service can speak with it.

        :raises RequestError: the service has refused it
        :raises TransportError: it takes too long
        """
        status = voice.status
        for seconds in (*_READY_PAUSES, None):
            if status == "UNDEPLOYED":
                raise RequestError(
                    f"the service has refused the voice {voice.id} (UNDEPLOYED)",
                    remedy="Delete the voice in the vendor's console, and give another sample.",
                )
            if status != "DEPLOYING":
                return voice
            if seconds is not None:
                self.pause(seconds)
                status = self.client.send(query_voice(target_model=self.target_model, voice=voice.id))
        raise TransportError(
            f"the voice {voice.id} is not ready after {sum(_READY_PAUSES):.0f} s",
            remedy="Try again later: a retry finds the voice, and enrols no other.",
        )

    def _unknown_outcome(self, error: DashScopeError | None = None) -> OutcomeUnknownError:
        return OutcomeUnknownError(
            f"the reply to an enrolment was lost, and the account's list has no voice with the prefix {self.prefix!r}",
            code=error.code if error else "",
            request_id=error.request_id if error else None,
            status=error.status if error else None,
            remedy="A retry looks for it again, and enrols nothing. If the vendor's console has no such voice, clear "
            "the task: then it enrols the voice.",
        )

    def _store_intent(self, intended_at: float, *, lost: bool) -> None:
        value = {
            "version": 1,
            "prefix": self.prefix,
            "intended_at": intended_at,
            "lost": lost,
            "clear_count": vars(self.clear_count),
        }
        self.states.set(_STATE, value)

    def _intent(self) -> _Intent | None:
        """The intent of this sample. After a clear of the task, a reply that was lost is no obstacle any more."""
        value = self.states.get(_STATE)
        intent = _parse_intent(value) if isinstance(value, Mapping) else None
        if intent is None or intent.prefix != self.prefix:
            return None
        return intent if intent.clear_count == self.clear_count else replace(intent, lost=False)


def _parse_intent(value: Mapping[str, Any]) -> _Intent | None:
    """``None`` for what another version wrote: the list tells nearly as much."""
    try:
        return _Intent(
            prefix=str(value["prefix"]),
            intended_at=float(value["intended_at"]),
            lost=value["lost"] is True,
            clear_count=ClearCount(**value["clear_count"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _first(voices: Collection[Voice]) -> Voice:
    """The voice that all runs choose. A voice that was refused is the last choice."""
    return min(voices, key=lambda voice: (voice.status == "UNDEPLOYED", voice.created or _LATEST, voice.id))


def _is_settled(voice: Voice) -> bool:
    """Whether no older voice can still appear. A day, because the zone of the service's times is not documented."""
    return voice.created is not None and datetime.now(timezone.utc) - voice.created > _SETTLED_AFTER
