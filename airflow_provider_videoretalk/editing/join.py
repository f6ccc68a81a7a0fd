"""Joins the pieces of a long video. Its function loads FFmpeg (PyAV, the extra ``media``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.optional_dependencies import require_extra


@dataclass(frozen=True, kw_only=True)
class JoinedVideo:
    """
    :param frames: pictures of the whole video
    :param seconds: its length
    :param rate: pictures per second, constant
    :param seams: for each piece but the first, when its first picture is shown, in seconds
    :param reencoded: whether the pictures were encoded again; ``False`` if the pieces' pictures were copied
    :param has_sound: whether any piece has sound
    :param longest_cut: by how much the sound of a piece was longer than its pictures, in seconds, at most
    """

    frames: int
    seconds: float
    rate: Fraction
    seams: tuple[float, ...]
    reencoded: bool
    has_sound: bool
    longest_cut: float


def join_pieces(pieces: Sequence[Path], target: Path) -> JoinedVideo:
    """Writes one MP4 of pieces, which follow each other without a lost or a doubled picture.

    Pictures:

    - They are copied if all pieces have the same codec (H.264 or H.265), parameter sets, format and constant rate. Else
      all are encoded once more as H.264, in the format and at the rate of the first piece.
    - A piece of another size is scaled, with black bars if its shape differs. A piece of another rate is shown at the
      first one's: pictures are repeated, or left out.
    - Each picture is shown for exactly one step of the rate.

    Sound:

    - It is encoded once as AAC, in the rate and channels of the first piece that has sound. Channels above two are
      mixed to two.
    - The sound of each piece begins with its first picture, within half a sample. If it is shorter than the pictures,
      silence follows. If it is longer, its end is cut.
    - Where the sound would jump at a seam, 5 ms on both sides fade.
    - A piece without sound is silent.

    Memory is bounded, except for the index, which takes about 100 bytes for each picture.

    :param pieces: the files, in order
    :param target: the file to write; it exists only when it is complete
    :raises InputError: there is no piece, or one does not exist, is damaged, or has no picture; the message names it
    :raises TransportError: the file cannot be written
    :raises ConfigurationError: the extra ``media`` is not installed
    """
    require_extra("media", part="A long video")
    # Heavy.
    import av

    from airflow_provider_videoretalk.editing.joined_sound import JoinedSound, sound_format
    from airflow_provider_videoretalk.editing.joined_video import CopiedVideo, EncodedVideo, can_be_copied
    from airflow_provider_videoretalk.editing.media_file import write_whole_file
    from airflow_provider_videoretalk.editing.piece import read_piece

    _require_all(pieces)
    read = [read_piece(path, field=_field(number)) for number, path in enumerate(pieces)]
    rate = read[0].rate
    frames = [piece.frames_at(rate) for piece in read]
    is_copied = can_be_copied(read, rate=rate)
    wanted = sound_format(read)
    with (
        write_whole_file(target) as partial,
        av.open(partial, mode="w", format="mp4", options={"movflags": "+faststart"}) as output,
    ):
        video = CopiedVideo(output, read, rate=rate) if is_copied else EncodedVideo(output, read, rate=rate)
        sound = JoinedSound(output, read, wanted=wanted, frames=frames, rate=rate) if wanted else None
        for number, packet in enumerate(video.packets(), start=1):
            output.mux(packet)
            if sound is not None:
                output.mux(list(sound.packets_until(number / rate)))
        if sound is not None:
            output.mux(list(sound.packets_until(None)))
    starts = list(accumulate(frames))
    return JoinedVideo(
        frames=starts[-1],
        seconds=float(starts[-1] / rate),
        rate=rate,
        seams=tuple(float(start / rate) for start in starts[:-1]),
        reencoded=not is_copied,
        has_sound=sound is not None,
        longest_cut=max(piece.sound_excess for piece in read),
    )


def _field(number: int) -> str:
    return f"pieces[{number}]"


def _require_all(pieces: Sequence[Path]) -> None:
    if not pieces:
        raise InputError("pieces is empty, allowed is at least one file", remedy="Give the pieces in their order.")
    missing = [f"{_field(number)} ({str(path)!r})" for number, path in enumerate(pieces) if not path.is_file()]
    if missing:
        raise InputError(
            f"{', '.join(missing)} {'does' if len(missing) == 1 else 'do'} not exist",
            remedy="Make what is missing again, the other pieces are kept.",
        )
