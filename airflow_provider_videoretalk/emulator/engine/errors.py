"""The exceptions of the media engine."""

from __future__ import annotations


class MediaRefusedError(Exception):
    """The service refuses the media or a parameter: the render job fails, and nothing is billed.

    Both values are positional arguments of the exception, so that it can be pickled by a process pool.

    :param code: the service's error code, such as ``InvalidFile.Duration``; ``None`` for a failure that has none
    :param message: an English sentence for the person who replaces the file
    """

    def __init__(self, code: str | None, message: str | None) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class SpeechUnavailableError(Exception):
    """No installed voice can speak a text; the message names the extra to install. The service has no such error."""
