"""Whether a location lies below one of a list of allowed prefixes. Reads no file, and asks no server."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from urllib.parse import unquote, urlsplit

REMOTE = "remote"
"""The entry that allows every URL and every store, and no file on a disk."""

LOCAL_SCHEMES = ("", "file", "local")

_WEB_PORTS = {"http": 80, "https": 443}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")

# Encoded twice or three times, as some servers decode a path more than once.
_MOST_DECODINGS = 4


def scheme_of(text: str) -> str:
    """The scheme of a URL or URI, in lower case; empty for a path, and for a text that only resembles a URI."""
    found = _SCHEME.match(text.strip())
    return found[1].lower() if found else ""


def with_connection(uri: str, conn_id: str | None) -> str:
    """The URI of an object with the Airflow connection of its store, if the URI names none. Files have none."""
    scheme = scheme_of(uri)
    if not conn_id or scheme in LOCAL_SCHEMES or "@" in uri.partition("://")[2].partition("/")[0]:
        return uri
    return f"{scheme}://{conn_id}@{uri.partition('://')[2]}"


@dataclass(frozen=True, kw_only=True)
class RemoteLocation:
    """A URL or the URI of an object, in a form in which two of them can be compared.

    :param user: the user of a URL; the Airflow connection of an object
    :param host: the host of a URL; the bucket of an object
    :param segments: the parts of the path between its slashes; the last one is empty if the path ends with a slash
    """

    scheme: str
    user: str
    host: str
    port: int | None
    segments: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> RemoteLocation:
        """
        :raises ValueError: not a URL or URI, or one that two programs may read differently
        """
        text = text.strip()
        scheme = scheme_of(text)
        if scheme in LOCAL_SCHEMES:
            raise ValueError("it is neither a URL nor the URI of an object")
        if _CONTROL.search(text):
            raise ValueError("it has a backslash or a control character")
        location = _parse_url(text, scheme) if scheme in _WEB_PORTS else _parse_object(text, scheme)
        if _climbs(location.segments):
            raise ValueError("its path has the part '.' or '..'")
        return location

    def covers(self, other: RemoteLocation) -> bool:
        """Whether ``other`` is this location or lies below it. An empty host covers all hosts of the scheme."""
        if self.scheme != other.scheme or ((self.user or self.host) and self.user != other.user):
            return False
        if not self.host:
            return True
        below = self.segments[:-1] if self.segments[-1:] == ("",) else self.segments
        if (self.host, self.port) != (other.host, other.port) or other.segments[: len(below)] != below:
            return False
        # A folder does not cover an object that has its name.
        return len(other.segments) > len(below) or below == self.segments or not below


def _parse_url(text: str, scheme: str) -> RemoteLocation:
    parts = urlsplit(text)
    host = (parts.hostname or "").rstrip(".").encode("idna").decode("ascii").lower()
    user = parts.netloc.rpartition("@")[0]
    port = parts.port or _WEB_PORTS[scheme]
    segments = tuple(map(unquote, parts.path.split("/")[1:]))
    return RemoteLocation(scheme=scheme, user=user, host=host, port=port if host else None, segments=segments)


def _parse_object(text: str, scheme: str) -> RemoteLocation:
    authority, slash, path = text.partition("://")[2].partition("/")
    user, _, host = authority.rpartition("@")
    if "::" in text or re.search(r"[?#]", authority):
        raise ValueError("it has '::', or a question mark or a hash sign before its path")
    segments = tuple(path.split("/")) if slash else ()
    return RemoteLocation(scheme=scheme, user=user, host=host, port=None, segments=segments)


def _climbs(segments: Iterable[str]) -> bool:
    """Whether a server may leave the folder that the path names. Some servers decode a path, or cut it at ``;``."""
    path = "/".join(segments)
    for _ in range(_MOST_DECODINGS):
        if any(part.partition(";")[0].strip() in (".", "..") for part in re.split(r"[/\\]", path)):
            return True
        path = unquote(path)
    return False


@dataclass(frozen=True, kw_only=True)
class LocationPrefixes:
    """Allowed locations.

    :param remote: every URL and every store is allowed
    :param locations: prefixes of URLs and of the URIs of objects
    :param folders: folders on this machine
    """

    remote: bool = False
    locations: tuple[RemoteLocation, ...] = ()
    folders: tuple[Path, ...] = ()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> LocationPrefixes:
        """
        :param entries: ``remote``, URLs such as ``https://host/folder/``, URIs such as ``s3://conn@bucket/folder/``,
            and ``file:///folder/``
        :raises ValueError: an entry is none of these
        """
        given = [entry.strip() for entry in entries]
        remote = [entry for entry in given if entry != REMOTE and scheme_of(entry) not in LOCAL_SCHEMES]
        local = [entry for entry in given if entry != REMOTE and scheme_of(entry) in LOCAL_SCHEMES]
        return cls(
            remote=REMOTE in given,
            locations=tuple(map(_parse_prefix, remote)),
            folders=tuple(map(_parse_folder, local)),
        )

    def allow(self, location: str | PathLike[str]) -> bool:
        """Whether a location is allowed. A link in the path of a file is followed.

        :param location: a URL, the URI of an object, or the path of a file on this machine. The URI of a file is not
            allowed, since programs read it differently
        """
        if not isinstance(location, str):
            return self._allow_file(Path(location))
        try:
            parsed = RemoteLocation.parse(location)
        except ValueError:
            return False
        return self.remote or any(prefix.covers(parsed) for prefix in self.locations)

    def _allow_file(self, path: Path) -> bool:
        if not path.is_absolute():
            return False
        try:
            real = path.resolve()
            # Since Python 3.13, a loop of links is no error, and stays in the path.
            if any(part.is_symlink() for part in (real, *real.parents)):
                return False
            return any(real.is_relative_to(folder.resolve()) for folder in self.folders)
        except (OSError, RuntimeError, ValueError):
            # A loop of links, or a NUL.
            return False


def _parse_prefix(entry: str) -> RemoteLocation:
    try:
        prefix = RemoteLocation.parse(entry)
    except UnicodeError:
        raise ValueError(f"{entry!r} has an invalid host name") from None
    except ValueError as error:
        raise ValueError(f"{entry!r} cannot be used: {error}") from None
    if re.search(r"[?#]", entry):
        raise ValueError(f"{entry!r} has a query or a fragment")
    if prefix.segments and not prefix.host:
        raise ValueError(f"{entry!r} has a path and no host or bucket")
    return prefix


def _parse_folder(entry: str) -> Path:
    path = Path(unquote(entry[len("file://") :])) if entry.lower().startswith("file:///") else None
    if path is None or not path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{entry!r} is not {REMOTE!r}, a prefix such as s3://conn@bucket/folder/, or file:///folder/")
    return path


def split_entries(value: object) -> Iterator[str]:
    """The entries of a setting: a list of texts, or one text with commas or line ends between the entries.

    :raises ValueError: neither
    """
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{value!r} is neither a text nor a list of texts")
    for text in texts:
        yield from filter(None, map(str.strip, re.split(r"[,\n]", text)))
