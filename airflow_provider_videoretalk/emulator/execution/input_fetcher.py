"""Fetches the inputs of a render job as the service does: http, https, and its own ``oss://`` uploads."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol
from urllib.parse import unquote, urlsplit

import aiohttp

from airflow_provider_videoretalk.emulator.engine.errors import MediaRefusedError
from airflow_provider_videoretalk.emulator.execution.media_engine import SampleName
from airflow_provider_videoretalk.model_catalog.limit import Limit
from airflow_provider_videoretalk.model_catalog.transcription import MEDIA_BYTES
from airflow_provider_videoretalk.model_catalog.videoretalk import AUDIO_BYTES, IMAGE_BYTES, VIDEO_BYTES

if TYPE_CHECKING:
    from airflow_provider_videoretalk.emulator.execution.sample_media import SampleMedia
    from airflow_provider_videoretalk.emulator.service.account import Account
    from airflow_provider_videoretalk.emulator.service.storage import Storage

InputName = Literal["video", "audio", "ref_image", "photo", "recording"]
SIZE_LIMITS: dict[InputName, Limit] = {
    "video": VIDEO_BYTES,
    "audio": AUDIO_BYTES,
    "ref_image": IMAGE_BYTES,
    "photo": IMAGE_BYTES,
    "recording": MEDIA_BYTES,
}
CHUNK_BYTES = 256 * 1024
# Taken from the URL for engines that read the name of a file; the emulator itself ignores it.
SUFFIXES = frozenset({".mp4", ".avi", ".mov", ".wav", ".mp3", ".aac", ".jpeg", ".jpg", ".png", ".bmp", ".webp"})

# The inputs of the vendor page's sample request are replaced by the emulator's samples, so that it works offline.
VENDOR_HOST = "help-static-aliyun-doc.aliyuncs.com"
VENDOR_SAMPLES: dict[str, SampleName] = {
    "/file-manage-files/zh-CN/20250717/pvegot/input_video_01.mp4": "presenter.mp4",
    "/file-manage-files/zh-CN/20250717/aumwir/stella2-有声书7.wav": "speech.wav",
}


class Requester(Protocol):
    """What the download of an input depends on. A job has it, and so has a request that is answered at once.

    :ivar origin: scheme and host of the request
    """

    @property
    def account(self) -> Account: ...

    @property
    def model(self) -> str: ...

    @property
    def origin(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class SyncRequester:
    """A request that is answered at once."""

    account: Account
    model: str
    origin: str


class Fetcher(Protocol):
    """Makes an input available as a local file."""

    async def fetch(self, *, url: str, name: InputName, job: Requester, folder: Path) -> Path:
        """The local file of an input.

        :raises MediaRefusedError: with an ``InvalidURL...`` code or ``InvalidFile.Size``
        """
        raise NotImplementedError

    async def close(self) -> None: ...


class InputFetcher:
    """The fetcher of a running emulator.

    :param timeout: total seconds that a download may take
    """

    def __init__(self, *, storage: Storage, samples: SampleMedia, timeout: float) -> None:
        self._storage = storage
        self._samples = samples
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None
        # Marks the emulator's own downloads, which are not logged and which fault rules ignore.
        self.token = secrets.token_hex(16)

    async def fetch(self, *, url: str, name: InputName, job: Requester, folder: Path) -> Path:
        parts = urlsplit(url)
        if parts.scheme == "oss":
            return self._find_upload(url, job)
        if parts.hostname == VENDOR_HOST and (sample := VENDOR_SAMPLES.get(unquote(parts.path))):
            return await self._samples.path(sample)
        suffix = Path(unquote(parts.path)).suffix.lower()
        target = folder / f"{name}{suffix if suffix in SUFFIXES else ''}"
        try:
            await self._download(url, target=target, limit=SIZE_LIMITS[name], job=job)
        except asyncio.TimeoutError:
            raise MediaRefusedError("InvalidURL.Timeout", f"Download {url} timeout.") from None
        except aiohttp.ClientConnectorDNSError:
            raise MediaRefusedError("InvalidURL", f"Host of {url} not found.") from None
        except aiohttp.ClientConnectorError:
            message = f"Connection to {url} refused, please provide available URL."
            raise MediaRefusedError("InvalidURL.ConnectionRefused", message) from None
        except (aiohttp.ClientError, ValueError, OSError) as error:
            raise MediaRefusedError("InvalidURL", f"Download of {url} failed: {type(error).__name__}.") from None
        return target

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _download(self, url: str, *, target: Path, limit: Limit, job: Requester) -> None:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._timeout))
        own = url.startswith(f"{job.origin}/")
        headers = {"x-emulator-download": self.token} if own else {}
        async with self._session.get(url, headers=headers) as response:
            if response.status != 200:
                raise MediaRefusedError("InvalidURL", f"Download of {url} failed: HTTP {response.status}.")
            _check_size(response.content_length or 0, limit)
            size = 0
            file = await asyncio.to_thread(target.open, "wb")
            try:
                async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                    size += len(chunk)
                    _check_size(size, limit)
                    await asyncio.to_thread(file.write, chunk)
            finally:
                await asyncio.to_thread(file.close)

    def _find_upload(self, url: str, job: Requester) -> Path:
        # The service's codes for an unknown or expired upload, and for one of another account, are not known.
        upload = self._storage.find_upload(key=unquote(url[len("oss://") :]), account=job.account.name, model=job.model)
        if upload is None:
            raise MediaRefusedError(
                "InvalidURL", f"{url} does not exist, has expired, or belongs to another account or model."
            )
        return upload.path


def _check_size(size: int, limit: Limit) -> None:
    if not limit.allows(size):
        raise MediaRefusedError(limit.code, limit.refusal(size))
