"""The catalog entry of a model that bills by the second of output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from airflow_provider_videoretalk.dashscope.media_url import media_url
from airflow_provider_videoretalk.dashscope.reply_values import number, web_url
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.dashscope.task import MAX_BILLED_SECONDS, Submission, submit_task
from airflow_provider_videoretalk.model_catalog.limit import Limit
from airflow_provider_videoretalk.model_catalog.price import Price


@dataclass(frozen=True, kw_only=True)
class MediaInput:
    """A field of the request's ``input`` that is the URL of a media file, with the limits of that file.

    Every limit is ``None`` where the model has none.

    :param kind: a ``video`` must have a video track
    :param containers: accepted formats, named as in :class:`~airflow_provider_videoretalk.media.probe.ProbeResult`
    :param codecs: accepted video codecs, empty for any
    :param size: in bytes
    :param seconds: duration
    :param fps: frames per second
    :param side: in pixels; holds for the width and for the height
    :param aspect_ratio: the longer side divided by the shorter side
    """

    kind: Literal["video", "audio", "image"]
    containers: tuple[str, ...]
    codecs: tuple[str, ...] = ()
    size: Limit | None = None
    seconds: Limit | None = None
    fps: Limit | None = None
    side: Limit | None = None
    aspect_ratio: Limit | None = None


@dataclass(frozen=True, kw_only=True)
class InputLength:
    """The length of one media input; an attribute is ``None`` if it is not known.

    :param fps: frames per second of a video
    """

    seconds: float | None = None
    fps: float | None = None


@dataclass(frozen=True, kw_only=True)
class OutputLength:
    """The length of a job's output.

    :param exact: ``False`` if ``seconds`` is an upper bound, because the length of an input is not known
    """

    seconds: float
    exact: bool


OutputLengthRule = Callable[[Mapping[str, InputLength], Mapping[str, Any]], OutputLength]
"""Computes the length of the output from the inputs' lengths, by field, and the request's parameters."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model. Preflight, price, submit, admission, the pages and the emulator read its figures here.

    :param name: the request's ``model``
    :param path: below the base URL
    :param price: list price of a second of output
    :param render_factor: seconds of rendering for each second of output, until renders of the account are known
    :param media_inputs: the fields of the request's ``input`` that are media files
    :param output_length: see :data:`OutputLengthRule`
    :param max_output_seconds: the longest output that is possible
    :param result_url_field: the field of a reply's ``output`` that holds the result's URL
    :param result_kind: what is at the result's URL
    :param billed_seconds_field: the field of a reply's ``usage`` that holds the billed seconds
    """

    name: str
    path: str
    price: Price
    render_factor: float
    media_inputs: Mapping[str, MediaInput]
    output_length: OutputLengthRule
    max_output_seconds: float
    result_url_field: str = "video_url"
    billed_seconds_field: str = "video_duration"
    result_kind: Literal["video", "transcript"] = "video"

    def price_for(self, parameters: Mapping[str, Any]) -> Price:
        """The list price of a job with these ``parameters``; the same for all by default."""
        return self.price

    def submit_request(self, *, urls: Mapping[str, str], parameters: Mapping[str, Any]) -> Request[Submission]:
        """The request that submits a job.

        :param urls: the media inputs, by field
        :raises InputError: the service would refuse a URL
        """
        inputs = {field: media_url(field, url) for field, url in urls.items()}
        return submit_task(path=self.path, model=self.name, inputs=inputs, parameters=parameters)

    def result_url(self, output: Mapping[str, Any]) -> str | None:
        """The result's URL in a reply's ``output``; ``None`` if it has none."""
        return web_url(output.get(self.result_url_field))

    def billed_seconds(self, usage: Mapping[str, Any]) -> float | None:
        """The billed seconds in a reply's ``usage``; ``None`` if it has none."""
        return number(usage.get(self.billed_seconds_field), high=MAX_BILLED_SECONDS)
