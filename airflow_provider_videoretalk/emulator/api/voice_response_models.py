"""The replies about voices, as models. The documented samples have no fields for what is absent here."""

from __future__ import annotations

from airflow_provider_videoretalk.emulator.api.response_models import Reply


class VoiceCount(Reply):
    count: int


class VoiceRow(Reply):
    """A voice of either dialect, in a list or alone. Times are ``YYYY-MM-DD HH:mm:ss``."""

    voice_id: str | None = None
    voice: str | None = None
    target_model: str | None = None
    language: str | None = None
    resource_link: str | None = None
    status: str | None = None
    gmt_create: str
    gmt_modified: str


class VoiceOutput(Reply):
    """What the actions answer: a new voice, a list, one voice, or nothing."""

    voice_id: str | None = None
    voice: str | None = None
    target_model: str | None = None
    fallback_mode: bool | None = None
    fallback_reason: str | None = None
    page_index: int | None = None
    page_size: int | None = None
    total_count: int | None = None
    voice_list: list[VoiceRow] | None = None
    language: str | None = None
    resource_link: str | None = None
    status: str | None = None
    gmt_create: str | None = None
    gmt_modified: str | None = None


class VoiceReply(Reply):
    request_id: str
    output: VoiceOutput
    usage: VoiceCount
