"""Detects the type of a file by its first bytes, never by its name."""

from __future__ import annotations

from airflow_provider_videoretalk.media.header.aac import parse_aac_frame
from airflow_provider_videoretalk.media.header.audio_frames import FRAME_HEADER_BYTES, find_audio
from airflow_provider_videoretalk.media.header.audio_tags import start_of_audio
from airflow_provider_videoretalk.media.header.document_type import detect_document_type
from airflow_provider_videoretalk.media.header.mp3 import parse_mp3_frame
from airflow_provider_videoretalk.media.ranged_reader import RangedReader

_SIGNATURES = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF8", "gif"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"\x1a\x45\xdf\xa3", "matroska"),
    (b"OggS", "ogg"),
    (b"fLaC", "flac"),
    (b"FLV\x01", "flv"),
    (b"#!AMR", "amr"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (b"\x00\x00\x01\xba", "mpeg"),
    (b"caff", "caf"),
    (b"%PDF-", "pdf"),
    (b"PK\x03\x04", "zip"),
    (b"\x1f\x8b", "gzip"),
)
_RIFF = {b"WAVE": "wav", b"AVI ": "avi", b"WEBP": "webp"}

# QuickTime files from before 2000 have no brand. They begin with one of these boxes.
_BOXES_WITHOUT_BRAND = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
_BRANDS = {
    b"qt  ": "mov",
    b"M4A ": "m4a",
    b"M4B ": "m4a",
    b"heic": "heif",
    b"heix": "heif",
    b"mif1": "heif",
    b"msf1": "heif",
    b"avif": "avif",
    b"avis": "avif",
    b"crx ": "raw",
}

# MPEG-TS: packets of this length, each of which begins with this byte.
_TS_PACKET_BYTES, _TS_SYNC = 188, 0x47

HEAD_BYTES = 1024
"""Bytes from the beginning of a file by which its type is detected."""


def detect_file_type(ranged: RangedReader) -> str | None:
    """The type of a file.

    :return: the container as :class:`~.media_facts.MediaFacts` names it; the name of a known type that the service does
        not accept (``gif``, ``matroska``, ``playlist``, ...); the name of a document (``html``, ``xml``, ``json``,
        ``text``, ``pdf``, ``zip``, ``gzip``); ``empty``; ``None`` for any other bytes
    """
    head = ranged.read_at(0, HEAD_BYTES)
    if not head:
        return "empty"
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if head[:4] in (b"RIFF", b"RF64"):
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return "3gp" if brand.startswith((b"3gp", b"3g2")) else _BRANDS.get(brand, "mp4")
    if head[4:8] in _BOXES_WITHOUT_BRAND:
        return "mov"
    if head.startswith(b"BM") and head[6:10] == bytes(4):
        return "bmp"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    if len(head) > 2 * _TS_PACKET_BYTES and set(head[: 3 * _TS_PACKET_BYTES : _TS_PACKET_BYTES]) == {_TS_SYNC}:
        return "mpeg-ts"
    document = detect_document_type(head)
    if document == "playlist":
        return document
    return _detect_audio_type(ranged) or document or _detect_other_mpeg_audio(ranged)


def _detect_audio_type(ranged: RangedReader) -> str | None:
    head = ranged.read_at(start_of_audio(ranged), FRAME_HEADER_BYTES)
    if parse_aac_frame(head) is not None:
        return "aac"
    if parse_mp3_frame(head) is not None:
        return "mp3"
    starts = {"aac": find_audio(ranged, parse_aac_frame), "mp3": find_audio(ranged, parse_mp3_frame)}
    found = {name: start.position for name, start in starts.items() if start is not None}
    return min(found, key=found.__getitem__, default=None)


def _detect_other_mpeg_audio(ranged: RangedReader) -> str | None:
    """By the eleven sync bits, with a layer of neither MP3 nor AAC."""
    head = ranged.read_at(start_of_audio(ranged), 2)
    return "mpeg-audio" if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 in (0xE4, 0xE6) else None
