"""The voices that accounts have enrolled: their ids, their models, and who may use them."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_videoretalk.emulator.service.clock import service_time
from airflow_provider_videoretalk.emulator.service.errors import ServiceError

if TYPE_CHECKING:
    from airflow_provider_videoretalk.emulator.service.account import Account
    from airflow_provider_videoretalk.emulator.service.clock import Clock
    from airflow_provider_videoretalk.emulator.settings import EmulatorSettings

VoiceDialectName = Literal["cosyvoice", "qwen"]


@dataclass(kw_only=True)
class EnrolledVoice:
    """A voice of an account. Times are seconds since the epoch.

    :param link: the URL of the sample; of a data URI its type alone
    :param language: of the sample; ``None`` if the enrolment did not say it
    :param hertz: pitch of the sample; ``None`` if it has none
    :param pace: factor of the usual speed
    """

    id: str
    dialect: VoiceDialectName
    account: str
    target_model: str
    prefix: str
    created: float
    modified: float
    link: str
    language: str | None
    hertz: float | None
    pace: float


class VoiceRegistry:
    """All voices of one emulator. Change it on the event loop only.

    :param clock: seconds since the epoch
    """

    def __init__(self, *, settings: EmulatorSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._voices: dict[str, EnrolledVoice] = {}

    def enrol(
        self,
        *,
        account: Account,
        dialect: VoiceDialectName,
        target_model: str,
        prefix: str,
        link: str,
        language: str | None,
        hertz: float | None,
        pace: float,
    ) -> EnrolledVoice:
        """A new voice, whatever the account has already; 400 if the account's storage is full."""
        self.require_storage(account, dialect)
        now = self._clock()
        voice = EnrolledVoice(
            id=_new_id(dialect, target_model, prefix, now),
            dialect=dialect,
            account=account.name,
            target_model=target_model,
            prefix=prefix,
            created=now,
            modified=now,
            link=link,
            language=language,
            hertz=hertz,
            pace=pace,
        )
        self._voices[voice.id] = voice
        return voice

    def require_storage(self, account: Account, dialect: VoiceDialectName) -> None:
        """400 if the account cannot store another voice. The code of the Qwen-TTS dialect is not known."""
        if len(self.voices_of(account, dialect)) >= self._settings.voice_storage:
            raise ServiceError(400, "Throttling.AllocationQuota", "Maximum voice storage limit exceeded.")

    def voices_of(self, account: Account, dialect: VoiceDialectName) -> list[EnrolledVoice]:
        """The voices of an account, newest first. The service's order is not documented."""
        own = (voice for voice in self._voices.values() if (voice.account, voice.dialect) == (account.name, dialect))
        return sorted(own, key=lambda voice: voice.created, reverse=True)

    def listed(self, account: Account, dialect: VoiceDialectName, *, prefix: str | None = None) -> list[EnrolledVoice]:
        """The voices that a list shows by now. Whether the service's list is delayed is not known."""
        shown = self._clock() - self._settings.list_delay_seconds
        voices = self.voices_of(account, dialect)
        return [voice for voice in voices if voice.created <= shown and (not prefix or voice.prefix == prefix)]

    def find(self, voice_id: str, *, account: Account, dialect: VoiceDialectName) -> EnrolledVoice | None:
        """The account's voice; ``None`` for another account's, and for one of the other dialect."""
        voice = self._voices.get(voice_id)
        is_own = voice is not None and (voice.account, voice.dialect) == (account.name, dialect)
        return voice if is_own else None

    def require(self, voice_id: str, *, account: Account, dialect: VoiceDialectName) -> EnrolledVoice:
        """Like :meth:`find`; 400 with the dialect's own code if there is no such voice."""
        voice = self.find(voice_id, account=account, dialect=dialect)
        if voice is None:
            code = "BadRequest.ResourceNotExist" if dialect == "cosyvoice" else "BadRequest.VoiceNotFound"
            raise ServiceError(400, code, f"Voice {voice_id!r} does not exist.")
        return voice

    def delete(self, voice: EnrolledVoice) -> None:
        self._voices.pop(voice.id, None)

    def replace_sample(self, voice: EnrolledVoice, *, link: str, hertz: float | None, pace: float) -> None:
        voice.link, voice.hertz, voice.pace, voice.modified = link, hertz, pace, self._clock()

    def reports(self) -> list[dict[str, Any]]:
        """Every voice, oldest first, as in ``GET /emulator/voices``; not a shape of the service."""
        return [asdict(voice) | {"status": self.status(voice)} for voice in self._voices.values()]

    def status(self, voice: EnrolledVoice) -> Literal["OK", "DEPLOYING"]:
        """Whether a voice can be used yet. The third status, ``UNDEPLOYED``, is that of a refused voice."""
        return "OK" if self._clock() >= voice.modified + self._settings.voice_seconds else "DEPLOYING"


def _new_id(dialect: VoiceDialectName, target_model: str, prefix: str, now: float) -> str:
    if dialect == "cosyvoice":
        return f"{target_model}-{prefix}-{uuid.uuid4().hex}"
    digits = "".join(character for character in service_time(now) if character.isdigit())
    return f"qwen-tts-vc-{prefix}-voice-{digits}-{uuid.uuid4().hex[:4]}"
