"""The marks of AI-made media that a publish task writes: by its arguments, or by Airflow's configuration."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook, conf
from airflow.sdk.log import mask_secret

from airflow_provider_videoretalk import __version__
from airflow_provider_videoretalk.airflow_adapters.location_policy import SECTION
from airflow_provider_videoretalk.dashscope.errors import ConfigurationError
from airflow_provider_videoretalk.editing.aigc_label import AIGC_FORMATS, aigc_label
from airflow_provider_videoretalk.editing.content_credentials import C2PA_FORMATS, ContentCredentials, SigningKey
from airflow_provider_videoretalk.editing.marked_format import unmarkable_error
from airflow_provider_videoretalk.operators.template_values import as_mapping, as_text, is_empty
from airflow_provider_videoretalk.optional_dependencies import require_extra
from airflow_provider_videoretalk.outbound.location_prefix import scheme_of
from airflow_provider_videoretalk.publishing.expected_media import ExpectedMedia
from airflow_provider_videoretalk.publishing.media_edit import MediaEdit
from airflow_provider_videoretalk.publishing.media_types import format_of_name, kind_of_name

if TYPE_CHECKING:
    from airflow_provider_videoretalk.editing.content_credentials import SourceType

GivenLabel: TypeAlias = Mapping[str, Any] | Literal[False] | None
GivenCredentials: TypeAlias = str | Literal[False] | None

_LABEL, _CREDENTIALS = "the AIGC label", "content credentials"

log = logging.getLogger(__name__)


def media_marks(
    *,
    label: object,
    credentials: object,
    source: Mapping[str, Any],
    place: str,
    expected: ExpectedMedia,
    title: str,
) -> list[MediaEdit]:
    """The edits that write the marks: the label first, since a signature covers the whole file.

    All that can be known before the download is checked. A default of the configuration is left out, with a warning,
    for a format that it cannot be written to.

    :param label: as ``aigc_label`` of ``PublishMediaOperator``
    :param credentials: as ``content_credentials`` of ``PublishMediaOperator``
    :param source: the return value that is published, or a mapping with ``url``
    :param place: its URL or location
    :param title: of the content
    :raises InputError: an argument is malformed, or the source's format has no place for a mark
    :raises ConfigurationError: the signing key cannot be used, or an extra is not installed
    """
    edits = []
    found = _known_format(place, expected)
    given, is_default = _given(label, "aigc_content_producer")
    if given is not None and _is_possible(_LABEL, AIGC_FORMATS, found, is_default=is_default):
        fields = {"content_producer": given} if is_default else as_mapping("aigc_label", given)
        edits.append(_label_edit(fields, source, found))
    given, is_default = _given(credentials, "content_credentials_conn_id")
    if given is not None and _is_possible(_CREDENTIALS, C2PA_FORMATS, found, is_default=is_default):
        key = _signing_key(as_text("content_credentials", given))
        made = ContentCredentials(key=key, title=title, source_type=_source_type(source, place), version=__version__)
        edits.append(MediaEdit(name="content_credentials", settings=made.settings, apply=made.sign))
    return edits


def _given(argument: object, option: str) -> tuple[object, bool]:
    """A value and whether it is the configuration's; ``None`` for no mark."""
    if argument is False or (isinstance(argument, str) and argument.strip().lower() == "false"):
        return None, False
    if not is_empty(argument):
        return argument, False
    configured = conf.get(SECTION, option, fallback="").strip()
    return configured or None, True


def _known_format(place: str, expected: ExpectedMedia) -> str | None:
    """The source's format, as far as it is known before the download."""
    if expected.headerless:
        return "pcm"
    return format_of_name(urlsplit(place).path) or format_of_name(f"name{expected.suffix}")


def _is_possible(mark: str, formats: Mapping[str, str], found: str | None, *, is_default: bool) -> bool:
    """Whether a format has a place for a mark.

    :raises InputError: it has none, and the task itself asks for the mark
    """
    if found is None or found in formats:
        return True
    error = unmarkable_error(found, mark=mark, formats=formats)
    if not is_default:
        raise error
    log.warning("Published without %s, which Airflow's configuration asks for: %s", mark, error.message)
    return False


def _label_edit(fields: Mapping[str, Any], source: Mapping[str, Any], found: str | None) -> MediaEdit:
    produce_id = next((str(source[name]) for name in ("task_id", "request_id") if source.get(name)), "")
    made = aigc_label(fields, produce_id=produce_id)
    if found != "wav":
        require_extra("media", part=_LABEL)
    return MediaEdit(name="aigc_label", settings=made.elements, apply=made.write)


def _source_type(source: Mapping[str, Any], place: str) -> SourceType:
    """A lip replacement is made of a recording; speech is made by AI alone."""
    is_sound = bool(source.get("audio_url")) or kind_of_name(urlsplit(place).path) == "audio"
    return "trainedAlgorithmicMedia" if is_sound else "compositeWithTrainedAlgorithmicMedia"


def _signing_key(conn_id: str) -> SigningKey:
    """The key in an Airflow connection of any type: extras ``private_key``, ``certificates``, ``timestamp_url``.

    :raises ConfigurationError: there is no such connection, or its key cannot be used
    """
    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise ConfigurationError(
            f"content_credentials names the connection {conn_id!r}, which does not exist",
            remedy="Create it, with the extras private_key and certificates: see docs/marking.md.",
        ) from None
    extra = connection.extra_dejson
    private_key, passphrase = extra.get("private_key") or connection.password, extra.get("private_key_passphrase")
    for secret in (private_key, passphrase):
        if isinstance(secret, str) and secret:
            # Airflow masks a text as a whole, and a log may quote one line of a key.
            lines = secret.replace("\\n", "\n").splitlines()
            mask_secret([secret, *(line for line in lines if line and "-----" not in line)])
    if not isinstance(private_key, str) or not isinstance(extra.get("certificates"), str):
        raise ConfigurationError(
            f"the connection {conn_id!r} lacks the extra private_key or certificates",
            remedy="Add both, as texts in PEM: see docs/marking.md.",
        )
    timestamp_url = extra.get("timestamp_url") or None
    if timestamp_url is not None and scheme_of(str(timestamp_url)) not in ("http", "https"):
        raise ConfigurationError(
            f"timestamp_url of the connection {conn_id!r} is no http or https URL", remedy="Correct or remove it."
        )
    return SigningKey.parse(
        private_key=private_key,
        certificates=extra["certificates"],
        timestamp_url=timestamp_url,
        passphrase=passphrase if isinstance(passphrase, str) else None,
    )
