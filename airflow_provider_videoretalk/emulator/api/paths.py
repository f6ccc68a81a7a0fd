"""The paths of the service's operations."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.model_catalog.talking_photo import DETECT_PATH
from airflow_provider_videoretalk.model_catalog.transcription import TRANSCRIPTION_PATH
from airflow_provider_videoretalk.model_catalog.translation import PATH as TRANSLATION
from airflow_provider_videoretalk.model_catalog.videoretalk import VIDEORETALK

if TYPE_CHECKING:
    from airflow_provider_videoretalk.emulator.faults import Operation
    from airflow_provider_videoretalk.emulator.settings import Gateway

API = "/api/v1"
SUBMIT_PATH = f"{API}/{VIDEORETALK.path}"
DETECT_SUBMIT_PATH = f"{API}/{DETECT_PATH}"
TRANSCRIPTION_SUBMIT_PATH = f"{API}/{TRANSCRIPTION_PATH}"
COSYVOICE_PATH = f"{API}/services/audio/tts/SpeechSynthesizer"
VOICES_PATH = f"{API}/services/audio/tts/customization"
QWEN_PATH = f"{API}/services/aigc/multimodal-generation/generation"
TRANSLATION_PATH = f"{API}/{TRANSLATION}"
COMPATIBLE_PATH = "/compatible-mode/v1/chat/completions"

# Submits of a gateway's own models. Models of the service keep the service's path.
GATEWAY_SUBMIT_PATH = f"{API}/services/aigc/video-generation"
GENERATIONS_PATH = "/v1/video/generations"
GATEWAY_PREFIXES: dict[Gateway, str] = {"video-tasks": "/qwen", "flat-tasks": "/wan", "video-generations": ""}

_OPERATIONS: tuple[tuple[str, re.Pattern[str], Operation], ...] = (
    ("POST", re.compile(f"{re.escape(SUBMIT_PATH)}|{re.escape(TRANSCRIPTION_SUBMIT_PATH)}"), "submit"),
    ("POST", re.compile(rf"{GATEWAY_SUBMIT_PATH}/(generation|video-synthesis)|{GENERATIONS_PATH}"), "submit"),
    ("POST", re.compile(re.escape(DETECT_SUBMIT_PATH)), "detect"),
    ("GET", re.compile(rf"{API}/tasks"), "list"),
    ("GET", re.compile(rf"({API}/tasks/video|/v1/tasks|{GENERATIONS_PATH})/[^/]+"), "query"),
    ("GET", re.compile(rf"{API}/tasks/[^/]+"), "query"),
    ("POST", re.compile(rf"{API}/tasks/[^/]+/cancel"), "cancel"),
    ("POST", re.compile(f"{re.escape(COSYVOICE_PATH)}|{re.escape(QWEN_PATH)}"), "speech"),
    ("POST", re.compile(re.escape(VOICES_PATH)), "voices"),
    ("POST", re.compile(f"{re.escape(TRANSLATION_PATH)}|{re.escape(COMPATIBLE_PATH)}"), "translation"),
    ("GET", re.compile(rf"{API}/uploads"), "policy"),
    ("POST", re.compile(r"/oss(/.*)?"), "upload"),
    ("GET", re.compile(r"/results/.+"), "result"),
    ("HEAD", re.compile(r"/results/.+"), "result"),
)


def operation_of(method: str, path: str) -> Operation | None:
    """The operation of a method and a normalised path; ``None`` for a path that is not the service's."""
    for verb, pattern, operation in _OPERATIONS:
        if verb == method and pattern.fullmatch(path):
            return operation
    return None


def normalise_path(path: str) -> str:
    """A path without a gateway's prefix before ``/api/v1`` and without a trailing slash.

    The vendor's pages write the submit path both with and without the slash.
    """
    start = path.find(f"{API}/")
    if start > 0:
        path = path[start:]
    return path.rstrip("/") or "/"
