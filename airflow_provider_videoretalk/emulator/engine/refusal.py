"""What the media work can't or won't do."""

from __future__ import annotations


class MediaRefusedError(Exception):
    """The media, or the request about them, are not what the service takes; the task fails and nothing is billed.

    Both values are positional arguments of the exception, so that it survives the way back through a process pool.

    :param code: the service's error code, such as ``InvalidFile.Duration``; ``None`` for a failure that has none
    :param message: an English sentence for the person who has to replace the file
    """

    def __init__(self, code: str | None, message: str | None) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class SpeechUnavailableError(Exception):
    """This machine has no voice for a text, which says nothing about the service; the message names the extra."""
