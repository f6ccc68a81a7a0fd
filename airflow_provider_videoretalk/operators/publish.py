"""The operator that publishes a result to permanent storage."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias, BaseOperator

from airflow_provider_videoretalk.airflow_adapters.error_note import notes_error
from airflow_provider_videoretalk.airflow_adapters.job_history_writer import open_history
from airflow_provider_videoretalk.airflow_adapters.tracing import step_span
from airflow_provider_videoretalk.airflow_adapters.url_masking import mask_rendered_urls
from airflow_provider_videoretalk.dashscope.errors import ResultExpiredError
from airflow_provider_videoretalk.dashscope.result_expiry import RefusedUrlError
from airflow_provider_videoretalk.job_history.facts import Published
from airflow_provider_videoretalk.links import WatchLink
from airflow_provider_videoretalk.operators.destination_path import asset_uri, object_paths
from airflow_provider_videoretalk.operators.job_lineage import PublicationLineage
from airflow_provider_videoretalk.operators.location_fields import is_task_output, location_of_output, permanent_fields
from airflow_provider_videoretalk.operators.publish_source import (
    media_access,
    open_source_location,
    request_new_url,
    source_identity,
    source_place,
)
from airflow_provider_videoretalk.operators.publish_subtitles import RequestedSubtitles
from airflow_provider_videoretalk.operators.template_values import (
    as_json,
    as_mapping,
    as_optional_text,
    check_word,
    is_empty,
)
from airflow_provider_videoretalk.publishing.expected_media import expected_media
from airflow_provider_videoretalk.publishing.publication import metadata_path
from airflow_provider_videoretalk.submission.fault_points import fault_point

# The imports inside functions load requests, fsspec or Airflow's hooks, which parsing a DAG does not need.
if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_videoretalk.dashscope.task import TaskResult
    from airflow_provider_videoretalk.editing.subtitle_files import SubtitleFormat
    from airflow_provider_videoretalk.media.location import Location
    from airflow_provider_videoretalk.model_catalog.speech import SpeechResult
    from airflow_provider_videoretalk.operators.lip_check import LipCheck
    from airflow_provider_videoretalk.operators.media_marks import GivenCredentials, GivenLabel
    from airflow_provider_videoretalk.outbound.host_access import AccessRule
    from airflow_provider_videoretalk.publishing.atomic_object import Destination
    from airflow_provider_videoretalk.publishing.expected_media import ExpectedMedia
    from airflow_provider_videoretalk.publishing.media_edit import MediaEdit
    from airflow_provider_videoretalk.publishing.publication import IfExists
    from airflow_provider_videoretalk.publishing.transfer import DownloadedObject, PublishedObject


class PublishMediaOperator(PublicationLineage, BaseOperator):
    """Streams a result into any store that Airflow's ``ObjectStoragePath`` supports, with a JSON metadata file.

    The download resumes after dropped and stalled connections. It is compared with the length, MD5 and CRC-64 that the
    source's server gives. It is looked at: an error page, a file that is cut, a video that is much shorter than it was
    billed, or another kind of file than the source should be is refused, and a retry can help. Then the object appears,
    complete, and its metadata file follows. If one of the two fails, both are removed, unless the object has already
    replaced another one.

    What the source should be:

    - of a speech task: audio
    - of a VideoRetalk task, or of another model whose result has a length: a video
    - of a task that joined a video in a store: a video
    - of another model: what the suffix of its URL says (``.png``, ``.json``), or any media
    - a plain URL: any media, or JSON if the URL ends with ``.json``

    Each outlet gets an asset event with the metadata as its ``extra``. An ``Asset`` gets one event. An ``AssetAlias``
    gets one for each object, with an asset of the object's URI.

    The operator returns the metadata:

    - all fields of the source, such as ``task_id``, ``request_id`` and ``usage``, except its URL, which expires
    - ``uri``, ``size`` in bytes, ``sha256``, ``published_at``
    - ``content_type``, by the bytes
    - ``media``: ``kind`` and ``container``, and what the file says of itself (``seconds``, ``width``, ...)
    - ``verified``: the values of the server that are confirmed (``length``, ``md5``, ``crc64``)
    - ``unverified``: the values of the server that were not checked, each with the reason
    - ``aigc`` and ``content_credentials``: the marks that were written to the file; ``edits``: the size and SHA-256 of
      the file before
    - ``lips``: whether they have ``changed``, in what ``share`` of the compared ``frames``
    - the values of ``metadata``
    - ``subtitles``: the URI of each subtitle file, by its format; ``subtitle_track``: its ``language``
    - ``metadata_uri``; for a list of destinations also ``uris`` and ``metadata_uris``. All other fields are those of
      the first destination. These three are only in the return value

    Destinations are templates, so objects can be partitioned by date or by a field of the source::

        PublishMediaOperator(
            task_id="publish",
            source=retalk.output,
            destination=[
                "s3://aws_default@videos/{{ ds }}/{{ params.language }}/",
                "oss://oss_default@archive/{{ ds_nodash }}-{{ ti.xcom_pull('retalk')['task_id'] }}.mp4",
            ],
            if_exists="skip_same",
        )

    :param source: the return value of a VideoRetalk, text-to-speech or sensor task, or a plain URL. A return value may
        have ``video_location`` in place of a URL: the URI of a video in a store, which must be allowed as a destination
        is. Without ``allowed_destinations`` it must be in a store that the task publishes to (templated)
    :param destination: URI of the object, e.g. ``s3://aws_default@bucket/videos/en.mp4``; or of a folder, with a slash
        at its end, in which the object is named after the render job's id; or a list of URIs. A ``file`` URI is
        percent-encoded, and the key in any other URI is taken as it is (templated)
    :param storage_conn_id: the Airflow connection of the stores, if a URI does not name one (templated)
    :param dashscope_conn_id: the connection to request a new URL with, for free, if the source's URL has expired or is
        refused. The service knows a render job for about a day. By default an expired URL is an error. A source at the
        own host of this connection, by default ``dashscope_default``, may be at a private address, and is fetched with
        the connection's certificates and proxy. Other private addresses need its extra ``allow_private`` (templated)
    :param metadata: JSON-safe values to add to the metadata (templated)
    :param subtitles: formats of subtitle files, ``srt`` and ``vtt``: a list, or one text with commas between them. They
        are made from ``script`` and ``language`` of the metadata. They are written after the object: if that fails, the
        object is published, and the task fails. Needs the extra ``media`` (templated)
    :param subtitle_track: add the subtitles to the video as a track, too, which viewers can switch on (templated)
    :param allowed_sources: what URLs ``source`` may be, if it is no return value: a list of prefixes such as
        ``https://host/folder/``, or one text with commas between them. It narrows ``[videoretalk] allowed_sources`` of
        Airflow's configuration (templated)
    :param allowed_destinations: where objects may be published: a list of prefixes such as
        ``s3://conn@bucket/folder/``, or one text with commas between them. It narrows
        ``[videoretalk] allowed_destinations`` of Airflow's configuration, by which no file on a disk is allowed unless
        a folder is named (templated)
    :param aigc_label: marks the file as made by AI, by GB 45438-2025: the fields of
        :class:`~airflow_provider_videoretalk.editing.aigc_label.AigcLabel`, of which ``content_producer`` is required.
        ``produce_id`` is by default the render job's id. By default ``[videoretalk] aigc_content_producer`` of
        Airflow's configuration says whether; ``False`` for no label (templated)
    :param content_credentials: marks the file with a signed C2PA manifest: the Airflow connection that has the signing
        key, in the extras ``private_key`` and ``certificates``. By default
        ``[videoretalk] content_credentials_conn_id``; ``False`` for none (templated)
    :param presenter: the clip that the video was made of, for ``lip_check``. It must be an allowed source (templated)
    :param lip_check: compares the lips of the video with those of ``presenter``: the service bills a video as a success
        although it kept them where it found no face. ``refuse`` fails the task if they did not change, and publishes
        nothing. ``warn`` only logs that. ``off`` (default) compares nothing. Needs the extra ``faces`` (templated)
    :param if_exists: what to do if the destination already holds an object:

        - ``overwrite``: replace it
        - ``fail``: fail before anything is downloaded, also if an earlier try of the same task published the object
        - ``skip_same``: keep the object and its metadata file if that file names the same render job or speech request
          (nothing is downloaded), or if the download has the same size and SHA-256. An object with other marks is
          replaced, and one without a metadata file that fits it, or that says it was looked at
    :raises InputError: a location is not allowed; a destination holds an object, and ``if_exists`` is ``fail``; or the
        source has no plain name for an object in a folder
    :raises ConfigurationError: a destination's store cannot be opened, or a signing key cannot be used
    :raises EditError: the file could not be marked, or its lips did not change. Nothing was published
    :raises ResultExpiredError: the source's URL has expired
    :raises UnexpectedMediaError: the source is not what it should be
    :raises TransportError: the download or a store failed. Nothing was published, unless the message names it
    """

    template_fields: Sequence[str] = (
        "source",
        "destination",
        "storage_conn_id",
        "dashscope_conn_id",
        "metadata",
        "subtitles",
        "subtitle_track",
        "allowed_sources",
        "allowed_destinations",
        "aigc_label",
        "content_credentials",
        "presenter",
        "lip_check",
    )
    operator_extra_links = (WatchLink(),)

    def __init__(
        self,
        *,
        source: str | TaskResult | SpeechResult,
        destination: str | Sequence[str],
        storage_conn_id: str | None = None,
        dashscope_conn_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        subtitles: Sequence[SubtitleFormat] | str = (),
        subtitle_track: bool | str = False,
        if_exists: IfExists = "overwrite",
        allowed_sources: Sequence[str] | str | None = None,
        allowed_destinations: Sequence[str] | str | None = None,
        aigc_label: GivenLabel = None,
        content_credentials: GivenCredentials = None,
        presenter: Location | None = None,
        lip_check: LipCheck | str = "off",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_word("if_exists", if_exists, ("fail", "skip_same", "overwrite"))
        self.source = source
        self.destination = destination
        self.storage_conn_id = storage_conn_id
        self.dashscope_conn_id = dashscope_conn_id
        self.metadata = metadata
        self.subtitles = subtitles
        self.subtitle_track = subtitle_track
        self.if_exists = if_exists
        self.allowed_sources = allowed_sources
        self.allowed_destinations = allowed_destinations
        self.aigc_label = aigc_label
        self.content_credentials = content_credentials
        self.presenter = presenter
        self.lip_check = lip_check
        self._source_is_output = is_task_output(source)

    def _do_render_template_fields(self, *args: Any, **kwargs: Any) -> None:
        super()._do_render_template_fields(*args, **kwargs)
        mask_rendered_urls(self)

    @notes_error
    def execute(self, context: Context) -> dict[str, Any]:
        from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

        from airflow_provider_videoretalk.airflow_adapters.object_storage_path import uri_of

        source: Mapping[str, Any] = self.source if isinstance(self.source, Mapping) else {}
        permanent = permanent_fields(source)
        source_metadata = permanent | self._user_metadata()
        place = source_place(self.source, is_output=self._source_is_output, allowed_sources=self.allowed_sources)
        paths = object_paths(
            self.destination,
            source=source,
            place=place,
            storage_conn_id=as_optional_text("storage_conn_id", self.storage_conn_id),
            allowed_destinations=self.allowed_destinations,
        )
        assets = [Asset(uri=asset_uri(path)) for path in paths]
        subtitles = RequestedSubtitles(formats=self.subtitles, track=self.subtitle_track, metadata=source_metadata)
        with step_span("publish", job_id=permanent.get("task_id")):
            published = self._copy(place, source, paths, source_metadata, edits=subtitles.edits)
        fault_point("after_publish")
        if job_id := permanent.get("task_id"):
            fact = Published(job_id=str(job_id), uri=uri_of(paths[0]), published_at=time.time())
            open_history().note("published", fact)
        published = subtitles.add_to(published, create_only=self.if_exists == "fail")
        collector = get_hook_lineage_collector()  # type: ignore[no-untyped-call]
        for path, copied in zip(paths, published, strict=True):
            done = "Kept the existing object" if copied.kept else "Published"
            self.log.info("%s %s (%s bytes)", done, path, copied.metadata["size"])
            collector.add_output_asset(context=path, uri=uri_of(path))
        uris, metadata_uris = [uri_of(path) for path in paths], [uri_of(metadata_path(path)) for path in paths]
        self._published = (source, uris)
        results = [{**copied.metadata, "uri": uri} for uri, copied in zip(uris, published, strict=True)]
        self._add_asset_events(context, assets, results)
        lists = {} if isinstance(self.destination, str) else {"uris": uris, "metadata_uris": metadata_uris}
        return {**results[0], "metadata_uri": metadata_uris[0], **lists}

    def _copy(
        self,
        place: str,
        source: Mapping[str, Any],
        paths: Sequence[ObjectStoragePath],
        source_metadata: Mapping[str, Any],
        *,
        edits: Sequence[MediaEdit],
    ) -> list[PublishedObject]:
        """Copies the source. If its URL has expired or is refused, requests a new one by the render job's id.

        :param edits: to apply before the file is marked
        """
        from airflow_provider_videoretalk.airflow_adapters.object_storage_path import uri_of
        from airflow_provider_videoretalk.publishing.object_metadata import describe_object
        from airflow_provider_videoretalk.publishing.transfer import copy_object

        def build_metadata(downloaded: DownloadedObject, path: Destination) -> dict[str, Any]:
            return describe_object(downloaded, uri=uri_of(path), source=source_metadata)

        expected = expected_media(source, place)
        access = media_access(as_optional_text("dashscope_conn_id", self.dashscope_conn_id))
        stored = location_of_output(source) is not None
        copy_source = partial(
            copy_object,
            destinations=paths,
            build_metadata=build_metadata,
            expected=expected,
            edits=[
                *self._lip_checks(place, source, access),
                *edits,
                *self._marks(place, source, expected, title=paths[0].name),
            ],
            if_exists=self.if_exists,
            identity=None if stored else source_identity(source),
            access=access,
            on_object_visible=lambda: fault_point("during_publish"),
        )
        if stored:
            return copy_source(self._stored_source(place, paths))
        try:
            return copy_source(place, expires_at=source.get("expires_at"))
        except (ResultExpiredError, RefusedUrlError):
            if is_empty(self.dashscope_conn_id) or not source.get("task_id"):
                raise
        return copy_source(request_new_url(str(self.dashscope_conn_id), str(source["task_id"])))

    def _lip_checks(self, place: str, source: Mapping[str, Any], access: AccessRule) -> list[MediaEdit]:
        # Before the edits: a track of subtitles or a mark is not looked at.
        from airflow_provider_videoretalk.operators.lip_check import lip_checks

        return lip_checks(
            self.lip_check,
            self.presenter,
            source=source,
            place=place,
            allowed_sources=self.allowed_sources,
            access=access,
        )

    def _marks(self, place: str, source: Mapping[str, Any], expected: ExpectedMedia, *, title: str) -> list[MediaEdit]:
        """The edits that mark the file. Nothing is changed in it after them."""
        from airflow_provider_videoretalk.operators.media_marks import media_marks

        return media_marks(
            label=self.aigc_label,
            credentials=self.content_credentials,
            source=source,
            place=place,
            expected=expected,
            title=title,
        )

    def _stored_source(self, location: str, paths: Sequence[ObjectStoragePath]) -> ObjectStoragePath:
        return open_source_location(
            location,
            destinations=paths,
            storage_conn_id=as_optional_text("storage_conn_id", self.storage_conn_id),
            allowed_destinations=self.allowed_destinations,
        )

    def _user_metadata(self) -> dict[str, Any]:
        """The values of ``metadata``.

        :raises InputError: not a mapping, or not JSON-safe
        """
        return {} if is_empty(self.metadata) else dict(as_json("metadata", as_mapping("metadata", self.metadata)))

    def _add_asset_events(self, context: Context, assets: Sequence[Asset], results: Sequence[dict[str, Any]]) -> None:
        for outlet in self.outlets:
            if isinstance(outlet, AssetAlias):
                for asset, metadata in zip(assets, results, strict=True):
                    context["outlet_events"][outlet].add(asset, extra=metadata)
            elif isinstance(outlet, Asset):
                context["outlet_events"][outlet].extra = results[0]
