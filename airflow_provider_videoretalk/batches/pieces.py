"""The pieces of a video that is longer than one render job. Each is spoken, rendered and kept by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from airflow_provider_videoretalk.batches.recipe import (
    RecordingPart,
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
        """The same for two pieces that are the same video, also of two scripts, or of two recordings."""
        made_of = {
            **self._spoken,
            "presenter": self.video.presenter,
            "parameters": dict(self.video.parameters),
            "replaces": self.replaces,
        }
        return digest_of(made_of)

    @property
    def _spoken(self) -> dict[str, Any]:
        """What is heard, and where the presenter begins."""
        if not isinstance(self.speech, RecordingRecipe):
            return {**self.speech.fields, "start_frame": self.start_frame}
        # Not by the pieces before it: if one of them is made again, this one is the same.
        return {"sound": self.speech.sound, "start": self.speech.part.start if self.speech.part else 0.0}

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


@dataclass(frozen=True, kw_only=True)
class FoundPieces:
    """
    :param kept: the pieces that are made, in their order
    :param current: the first that is not; ``None`` if all are made
    :param speeches: of the pieces that are to be made, as far as it is known which
    """

    kept: tuple[KeptPiece, ...]
    current: Piece | None
    speeches: tuple[Speech, ...]


def speeches_of(recipe: Speech, *, parts: Sequence[RecordingPart] = ()) -> tuple[Speech, ...]:
    """The speech of each piece; one if it is short enough for one render job.

    :param parts: of a recording, in their order; none for one that is short enough
    :raises InputError: the script cannot be cut
    """
    if isinstance(recipe, RecordingRecipe):
        return tuple(replace(recipe, part=part) for part in parts) or (recipe,)
    scripts = split_script(recipe.script, model=recipe.model, rate=speaking_rate(recipe.options))
    return tuple(replace(recipe, script=script) for script in scripts)


def find_pieces(
    recipe: VideoRecipe,
    *,
    parts: Sequence[RecordingPart],
    replaces: str | None,
    store: Callable[[str], Destination],
    known: Iterable[KeptPiece] = (),
) -> FoundPieces:
    """The pieces that are made, and those that are to be made.

    A piece goes on from the frame of the presenter at which the one before it ends. So the pieces of a script are only
    known when those before them are made. Those of a recording begin where their sound does.

    :param parts: see :func:`speeches_of`
    :param store: the object of a piece, by its file's name
    :param known: pieces that are made, whose metadata is not read again
    :raises TransportError: the store cannot be read
    """
    speeches = speeches_of(recipe.speech, parts=parts)
    kept = {one.piece.number: one for one in known}

    def piece(number: int) -> Piece:
        return Piece(
            number=number,
            count=len(speeches),
            speech=speeches[number],
            video=recipe,
            start_frame=sum(one.frames for before, one in kept.items() if before < number),
            replaces=replaces,
        )

    for number in range(len(speeches)):
        found = kept.get(number) or _kept(piece(number), store)
        if found is not None:
            kept[number] = found
        elif not isinstance(recipe.speech, RecordingRecipe):
            break
    missing = [number for number in range(len(speeches)) if number not in kept]
    return FoundPieces(
        kept=tuple(kept[number] for number in sorted(kept)),
        current=piece(missing[0]) if missing else None,
        speeches=tuple(speeches[number] for number in missing),
    )


def _kept(piece: Piece, store: Callable[[str], Destination]) -> KeptPiece | None:
    metadata = read_metadata(store(piece.file_name))
    if metadata is None or metadata.get(PIECE_FIELD) != piece.name or not amount_in(metadata, FRAMES_FIELD):
        return None
    return KeptPiece(piece=piece, metadata=metadata)


def cost_of(pieces: Sequence[KeptPiece]) -> Decimal:
    """What pieces did cost, as far as it is known."""
    return sum((Decimal(str(amount_in(one.metadata, "cost") or 0)) for one in pieces), Decimal(0))


def joined_name(pieces: Sequence[KeptPiece]) -> str:
    """The name of the object that the pieces become."""
    return f"{digest_of([one.piece.name for one in pieces])}.mp4"
