"""The pieces of a video that is longer than one render job: which are kept, what the next is made of, and the join."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.airflow_adapters.job_history_writer import open_history
from airflow_provider_videoretalk.batches.pieces import (
    FRAMES_FIELD,
    PARTS_FIELD,
    PIECE_FIELD,
    KeptPiece,
    Piece,
    cost_of,
    find_pieces,
    joined_name,
)
from airflow_provider_videoretalk.batches.plan_file import RowToMake
from airflow_provider_videoretalk.batches.recipe import RecordingRecipe, Speech, amount_in
from airflow_provider_videoretalk.batches.speaking_time import speaking_rate, typical_seconds
from airflow_provider_videoretalk.dashscope.errors import InputError, TransportError
from airflow_provider_videoretalk.dashscope.task import TaskResult
from airflow_provider_videoretalk.job_history.facts import Published
from airflow_provider_videoretalk.model_catalog.videoretalk import VIDEO_SECONDS
from airflow_provider_videoretalk.operators.location_fields import permanent_fields
from airflow_provider_videoretalk.operators.output_folder import OutputFolder
from airflow_provider_videoretalk.submission.fault_points import fault_point

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_videoretalk.inputs.source import Source
    from airflow_provider_videoretalk.media.location import Location
    from airflow_provider_videoretalk.outbound.host_access import AccessRule

# What the last render job's result says of itself alone, or of all.
_RESULT_FIELDS = frozenset(TaskResult.__annotations__) | {"price", "currency"}

_USUAL_FPS = 25.0

# The service shows the last frame as far as the speech needs it, and extends a presenter that is shorter.
_SPARE_FRAMES = 2

log = logging.getLogger(__name__)


class VideoPieces:
    """The pieces of one row's video, in the folder ``pieces`` of the output folder.

    :param presenter: of the row
    :param access: how hosts of URLs may be connected to
    """

    def __init__(self, row: RowToMake, folder: OutputFolder, *, presenter: Source, access: AccessRule) -> None:
        self._row = row
        self._folder = folder
        self._presenter = presenter
        self._access = access
        self._find()

    def _find(self, *, known: Sequence[KeptPiece] = ()) -> None:
        self._found = find_pieces(
            self._row.recipe,
            parts=self._row.parts,
            replaces=self._row.replaces,
            store=self._folder.piece,
            known=known,
        )

    @property
    def current(self) -> Piece | None:
        """The first piece that is not made."""
        return self._found.current

    @property
    def required(self) -> Piece:
        """The first piece that is not made, in a state that has one."""
        if self.current is None:
            raise RuntimeError("all pieces are made")
        return self.current

    @property
    def speeches(self) -> tuple[Speech, ...]:
        """Of the current piece, and of those that are to be made after it."""
        return self._found.speeches

    @property
    def kept(self) -> tuple[KeptPiece, ...]:
        """The pieces that are made."""
        return self._found.kept

    @property
    def paid(self) -> Decimal:
        """What the kept pieces did cost."""
        return cost_of(self.kept)

    def presenter_part(self, seconds: float | None) -> Location:
        """The part of the presenter that belongs to the current piece, in the folder of the pieces.

        :param seconds: of the piece's speech; ``None`` for the longest that the service takes
        :raises InputError: the presenter ends before the speech, and is not to be extended; or it cannot be cut
        :raises TransportError: a store failed
        """
        # Loads PyAV.
        from airflow_provider_videoretalk.editing.presenter_part import cut_presenter, presenter_length

        piece = self.required
        part = self._folder.piece(_part_name(piece))
        with tempfile.TemporaryDirectory(prefix="videoretalk-") as folder:
            source = self._local(self._presenter.location, Path(folder, "presenter"))
            target = Path(folder, "part.mp4")
            length = presenter_length(source)
            most = float(VIDEO_SECONDS.high or 0)
            longest = seconds if seconds is not None else most
            needed = int(longest * length.rate)
            frames = min(needed + _SPARE_FRAMES, int(most * length.rate))
            # Each piece before may have a frame more than its speech.
            end = piece.start_frame - piece.number + needed
            if not piece.video.parameters.get("video_extension") and end > length.frames:
                raise InputError(
                    f"the presenter lasts {length.seconds:.1f} s, the speech goes on at "
                    f"{float(piece.start_frame / length.rate) + longest:.1f} s",
                    remedy="Set video_extension, or give a longer presenter. The pieces that are made are kept.",
                )
            cut_presenter(source, target, start_frame=piece.start_frame, frames=frames)
            self._store(target, part, {PIECE_FIELD: piece.name, FRAMES_FIELD: frames})
        path: Location = part
        return path

    def keep(self, result: Mapping[str, Any]) -> None:
        """Copies the result of the current piece's render job to the folder of the pieces.

        :raises TransportError: it could not be copied; a retry uses the same render job
        """
        # Loads requests.
        from airflow_provider_videoretalk.airflow_adapters.object_storage_path import uri_of
        from airflow_provider_videoretalk.publishing.expected_media import expected_media
        from airflow_provider_videoretalk.publishing.object_metadata import describe_object
        from airflow_provider_videoretalk.publishing.object_store import make_folder_of, store_errors_named
        from airflow_provider_videoretalk.publishing.transfer import DownloadedObject, copy_object

        piece, stored = self.required, self._folder.piece(self.required.file_name)
        fields = {**permanent_fields(result), **piece.speech.fields, PIECE_FIELD: piece.name}

        def describe(downloaded: DownloadedObject, path: Any) -> dict[str, Any]:
            frames = {FRAMES_FIELD: _frames(downloaded.media, piece)}
            return {**describe_object(downloaded, uri=uri_of(path), source=fields), **frames}

        with store_errors_named(stored):
            make_folder_of(stored)
        copied = copy_object(
            str(result["video_url"]),
            [stored],
            build_metadata=describe,
            expected=expected_media(result, str(result["video_url"])),
            expires_at=result.get("expires_at"),
            access=self._access,
        )
        fault_point("after_piece")
        fact = Published(job_id=str(result["task_id"]), uri=uri_of(stored), published_at=time.time())
        open_history().note("published", fact)
        log.info("Kept %s at %s", piece.label, stored)
        self._find(known=[*self.kept, KeptPiece(piece=piece, metadata=copied[0].metadata)])

    def join(self) -> dict[str, Any]:
        """Joins the pieces. Returns the result of the last render job with the sums of all, where the joined video is
        (``video_location``), and its ``parts``.

        :raises TransportError: a store failed
        """
        # Loads requests.
        from airflow_provider_videoretalk.airflow_adapters.object_storage_path import uri_of
        from airflow_provider_videoretalk.publishing.publication import read_metadata

        joined = self._folder.piece(joined_name(self.kept))
        result = _sums([one.metadata for one in self.kept])
        metadata = read_metadata(joined)
        if metadata is None or PARTS_FIELD not in metadata:
            metadata = self._join(joined, result)
        for one in self.kept:
            self._remove_part(one.piece)
        return {**result, "video_location": uri_of(joined), PARTS_FIELD: metadata[PARTS_FIELD]}

    def _join(self, joined: ObjectStoragePath, result: Mapping[str, Any]) -> dict[str, Any]:
        # Loads PyAV.
        from airflow_provider_videoretalk.editing.join import join_pieces

        with tempfile.TemporaryDirectory(prefix="videoretalk-") as folder:
            files = [
                self._local(self._folder.piece(one.piece.file_name), Path(folder, f"{one.piece.number}.mp4"))
                for one in self.kept
            ]
            target = Path(folder, "joined.mp4")
            video = join_pieces(files, target)
            if video.longest_cut * video.rate > 1:
                log.warning("The sound of a piece was %.2f s longer than its pictures; it was cut", video.longest_cut)
            fault_point("during_join")
            starts = [0.0, *video.seams, video.seconds]
            parts = [
                {"start": start, "end": end, "text": one.piece.speech.script}
                for one, (start, end) in zip(self.kept, pairwise(starts), strict=True)
                # Nobody knows which words are in which part of a recording.
                if not isinstance(one.piece.speech, RecordingRecipe)
            ]
            metadata = {**result, "frames": video.frames, PARTS_FIELD: parts}
            self._store(target, joined, metadata)
        log.info("Joined %s pieces to %s (%.2f s)", len(self.kept), joined, video.seconds)
        return metadata

    def _local(self, location: Location, target: Path) -> Path:
        # Loads requests.
        from airflow_provider_videoretalk.media.local_copy import local_copy

        return local_copy(location, target, field="video_url", access=self._access)

    def _store(self, file: Path, path: ObjectStoragePath, metadata: Mapping[str, Any]) -> None:
        # Loads fsspec.
        from airflow_provider_videoretalk.publishing.file_upload import upload_file

        upload_file(file, path, content_type="video/mp4", metadata=metadata)

    def _remove_part(self, piece: Piece) -> None:
        # Loads fsspec.
        from airflow_provider_videoretalk.publishing.publication import remove_published

        try:
            remove_published(self._folder.piece(_part_name(piece)))
        except TransportError as error:
            log.warning("The presenter's part of %s is not needed any more, and remains: %s", piece.label, error)


def _part_name(piece: Piece) -> str:
    return f"{piece.name}-presenter.mp4"


def _frames(media: Mapping[str, Any], piece: Piece) -> int:
    """About how many frames a piece has. The join counts them; the next piece only begins its presenter there."""
    seconds = amount_in(media, "seconds") or _expected_seconds(piece.speech)
    return max(1, round(seconds * (amount_in(media, "fps") or _USUAL_FPS)))


def _expected_seconds(speech: Speech) -> float:
    if not isinstance(speech, RecordingRecipe):
        return typical_seconds(speech.script, rate=speaking_rate(speech.options))
    return speech.part.seconds if speech.part else 0.0


def _sums(pieces: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The result of the whole: of the last render job, with the sums of all."""
    last = {name: value for name, value in pieces[-1].items() if name in _RESULT_FIELDS}
    sums = {name: _sum(pieces, name) for name in ("billed_seconds", "cost", "render_seconds")}
    return {
        **last,
        **sums,
        "usage": {},
        "video_url": None,
        "expires_at": None,
        "submitted_at": pieces[0].get("submitted_at"),
        "started_at": pieces[0].get("started_at"),
        "task_ids": [one.get("task_id") for one in pieces],
    }


def _sum(pieces: Sequence[Mapping[str, Any]], name: str) -> float | None:
    """``None`` if one of them is not known."""
    amounts = [amount_in(one, name) for one in pieces]
    known = [one for one in amounts if one is not None]
    return round(sum(known), 4) if len(known) == len(amounts) else None
