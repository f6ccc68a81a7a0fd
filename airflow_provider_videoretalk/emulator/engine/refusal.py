"""How the engine says that the media themselves are at fault."""

from __future__ import annotations


class MediaRefused(Exception):  # noqa: N818
    """The media or the request about them cannot be worked on; the task fails and nothing is billed.

    Both values are positional arguments of the exception, so that it survives the way back through a process pool.

    :param code: the service's error code, such as ``InvalidFile.Duration``
    :param message: an English sentence for the person who has to replace the file
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"
