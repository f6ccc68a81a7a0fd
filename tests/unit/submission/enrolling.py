"""The emulator's voices, and enrolments of one sample by tasks that can be killed."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Any

from state_store import TaskStateStore

from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.emulator.service.voices import EnrolledVoice, VoiceDialectName
from airflow_provider_videoretalk.model_catalog.voices import QWEN_TTS, create_voice, voice_dialect_of
from airflow_provider_videoretalk.submission.enrollment_turn import EnrollmentTurn
from airflow_provider_videoretalk.submission.record import ClearCount
from airflow_provider_videoretalk.submission.voice_enrollment import VoiceEnrollment

FLASH, VC = "cosyvoice-v3-flash", "qwen3-tts-vc-2026-01-22"
PREFIX = "abcdefgh2"
SAMPLE = "data:audio/wav;base64," + base64.b64encode(b"a sample").decode()


class CrashError(BaseException):
    """The process dies."""


class MovedClock:
    """Seconds since the epoch that begin now, and pass only by :meth:`advance`."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Voices:
    """The voices of one account of an emulator."""

    def __init__(self, emulator: Emulator, *, key: str, model: str = FLASH) -> None:
        self.emulator = emulator
        self.key = key
        self.model = model
        self.dialect: VoiceDialectName = "qwen" if voice_dialect_of(model) is QWEN_TTS else "cosyvoice"
        self.account = emulator.state.authenticate(f"Bearer {key}").account

    @property
    def all(self) -> list[EnrolledVoice]:
        return list(self.emulator.voices.voices_of(self.account, self.dialect))

    @property
    def ids(self) -> set[str]:
        return {voice.id for voice in self.all}

    def enrol(self, prefix: str = PREFIX) -> str:
        """Another run's voice."""
        voice = self.emulator.voices.enrol(
            account=self.account,
            dialect=self.dialect,
            target_model=self.model,
            prefix=prefix,
            link=SAMPLE,
            language=None,
            hertz=150.0,
            pace=1.0,
        )
        return str(voice.id)

    def client(self) -> Client:
        return Client(Endpoint(api_key=self.key, base_url=self.emulator.base_url))

    def enrollment(
        self,
        client: Any,
        *,
        states: TaskStateStore | None = None,
        variables: Any = None,
        task_instance: str = "dag/run/voice/-1",
        cleared: int = 0,
        pause: Callable[[float], None],
        now: Callable[[], float],
        **given: Any,
    ) -> VoiceEnrollment:
        return VoiceEnrollment(
            client=client,
            target_model=self.model,
            prefix=PREFIX,
            create=lambda: create_voice(target_model=self.model, prefix=PREFIX, sample_url=SAMPLE),
            states=TaskStateStore() if states is None else states,
            clear_count=ClearCount(max_tries=cleared, clear_number=0),
            turn=EnrollmentTurn(
                TaskStateStore() if variables is None else variables,
                account=self.account,
                voice=PREFIX,
                task_instance=task_instance,
                clock=now,
            ),
            pause=pause,
            now=now,
            **given,
        )


def action_of(request: Any) -> str:
    """``create``, ``list``, ``query`` or ``delete``."""
    return str(request.body["input"]["action"]).removesuffix("_voice")
