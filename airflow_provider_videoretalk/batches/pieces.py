"""The pieces of a video that is longer than one render job. Each is spoken, rendered and kept by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

from airflow_provider_videoretalk.batches.recipe import (
    RecordingRecipe,
    Speech,
    VideoRecipe,
    amount_in,
    digest_of,
)
from airflow_provider_videoretalk.batches.script_pieces import split_script
from airflow_provider_videoretalk.batches.speaking_time import speaking_rate
from airflow_provider_videoretalk.publishing.atomic_object import Destination
from airflow_provider_videoretalk.publishing.publication import read_metadata

PIECES = "pieces"
"""The folder of pieces and of the videos that are joined of them, in the folder of the videos."""

PIECE_FIELD = "piece"
"""The field of a metadata file with the name of the piece, which is made of all that the piece is made of."""

FRAMES_FIELD = "frames"
"""The field of a piece's metadata file with the number of its frames."""

PARTS_FIELD = "parts"
"""The field of a joined video's metadata with its pieces: the seconds of ``start`` and ``end``, and the ``text``."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A part of a video.

    :param number: from 0
    :param count: of all pieces of the video
    :param speech: of this piece
    :param video: of the whole video
    :param start_frame: of the presenter, in the order in which ``video_extension`` plays it
    :param replaces: see :attr:`~airflow_provider_videoretalk.batches.plan_file.RowToMake.replaces`
    """

    number: int
    count: int
    speech: Speech
    video: VideoRecipe
    start_frame: int
    replaces: str | None = None

    @property
    def name(self) -> str:
        """The same for two pieces that are the same video, also of two scripts."""
        made_of = {
            **self.speech.fields,
            "presenter": self.video.presenter,
            "parameters": dict(self.video.parameters),
            "start_frame": self.start_frame,
            "replaces": self.replaces,
        }
        return digest_of(made_of)

    @property
    def file_name(self) -> str:
        return f"{self.name}.mp4"

    @property
    def label(self) -> str:
        return f"piece {self.number + 1} of {self.count}"


@dataclass(frozen=True, kw_only=True)
class KeptPiece:
    """A piece that is made.

    :param metadata: the content of its metadata file
    """

    piece: Piece
    metadata: Mapping[str, Any]

    @property
    def frames(self) -> int:
        return int(self.metadata[FRAMES_FIELD])


def speeches_of(recipe: Speech, *, cuts: Sequence[float] = ()) -> tuple[Speech, ...]:
    """The speech of each piece; one if it is short enough for one render job.

    :param cuts: where a recording is cut, in seconds, with its beginning and its end; none for one that is short enough
    :raises InputError: the script cannot be cut
    """
    if isinstance(recipe, RecordingRecipe):
        return tuple(replace(recipe, part=part) for part in pairwise(cuts)) or (recipe,)
    scripts = split_script(recipe.script, model=recipe.model, rate=speaking_rate(recipe.options))
    return tuple(replace(recipe, script=script) for script in scripts)


def find_pieces(
    recipe: VideoRecipe,
    *,
    cuts: Sequence[float],
    replaces: str | None,
    store: Callable[[str], Destination],
    known: Sequence[KeptPiece] = (),
) -> tuple[list[KeptPiece], Piece | None]:
    """The pieces that are made, up to the first that is not; and that one, ``None`` if all are made.

    A piece goes on from the frame of the presenter at which the one before it ends. So it is only known when that one
    is made.

    :param cuts: see :func:`speeches_of`
    :param store: the object of a piece, by its file's name
    :param known: the first pieces that are made, whose metadata is not read again
    :raises TransportError: the store cannot be read
    """
    kept = list(known)
    for piece in _pieces(recipe, cuts, replaces, kept):
        metadata = read_metadata(store(piece.file_name))
        frames = amount_in(metadata or {}, FRAMES_FIELD)
        if metadata is None or metadata.get(PIECE_FIELD) != piece.name or not frames:
            return kept, piece
        kept.append(KeptPiece(piece=piece, metadata=metadata))
    return kept, None


def _pieces(
    recipe: VideoRecipe, cuts: Sequence[float], replaces: str | None, kept: Sequence[KeptPiece]
) -> Iterator[Piece]:
    speeches = speeches_of(recipe.speech, cuts=cuts)
    for number, speech in enumerate(speeches[len(kept) :], start=len(kept)):
        yield Piece(
            number=number,
            count=len(speeches),
            speech=speech,
            video=recipe,
            start_frame=sum(one.frames for one in kept),
            replaces=replaces,
        )


def cost_of(pieces: Sequence[KeptPiece]) -> Decimal:
    """What pieces did cost, as far as it is known."""
    return sum((Decimal(str(amount_in(one.metadata, "cost") or 0)) for one in pieces), Decimal(0))


def joined_name(pieces: Sequence[KeptPiece]) -> str:
    """The name of the object that the pieces become."""
    return f"{digest_of([one.piece.name for one in pieces])}.mp4"
