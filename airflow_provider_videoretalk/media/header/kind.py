"""What kind of file it is, by its first bytes and never by its name."""

from __future__ import annotations

from airflow_provider_videoretalk.media.header.aac import aac_frame
from airflow_provider_videoretalk.media.header.mp3 import mp3_frame
from airflow_provider_videoretalk.media.header.tag import start_of_sound
from airflow_provider_videoretalk.media.ranged import Ranged

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
)
_RIFF = {b"WAVE": "wav", b"AVI ": "avi", b"WEBP": "webp"}

# QuickTime files of before 2000 have no brand, and begin with any of these.
_BRANDLESS = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
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

# Lists of addresses that players go on to open. They are text, and so of no kind; named for the message.
_PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"<?xml", b"<MPD", b"<smil", b"<asx", b"[playlist]", b"[Reference]", b"v=0")


def sniff(ranged: Ranged) -> str | None:
    """The container, as :class:`~.facts.Facts` names it; the name of a known kind that the service does not take
    (``gif``, ``matroska``, ``playlist``, ...); ``None`` for any other bytes.
    """
    head = ranged.at(0, 64)
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if head[:4] in (b"RIFF", b"RF64"):
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return "3gp" if brand.startswith((b"3gp", b"3g2")) else _BRANDS.get(brand, "mp4")
    if head[4:8] in _BRANDLESS:
        return "mov"
    if head.startswith(b"BM") and head[6:10] == bytes(4):
        return "bmp"
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(_PLAYLISTS):
        return "playlist"
    return _sound(ranged)


def _sound(ranged: Ranged) -> str | None:
    head = ranged.at(start_of_sound(ranged), 16)
    if aac_frame(head) is not None:
        return "aac"
    if mp3_frame(head) is not None:
        return "mp3"
    # Eleven bits of sync, and a layer that is neither that of MP3 nor that of AAC.
    return "mpeg-audio" if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 in (0xE4, 0xE6) else None
