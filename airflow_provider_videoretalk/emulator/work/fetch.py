"""Downloads of a task's inputs, as the service does them: http, https, and its own ``oss://`` uploads."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol
from urllib.parse import unquote, urlsplit

import aiohttp

from airflow_provider_videoretalk.emulator.engine.refusal import MediaRefusedError
from airflow_provider_videoretalk.emulator.service.task import MODEL, Task
from airflow_provider_videoretalk.emulator.work.engine_port import SampleName
from airflow_provider_videoretalk.limits import AUDIO_BYTES, IMAGE_BYTES, VIDEO_BYTES, Limit

if TYPE_CHECKING:
    from airflow_provider_videoretalk.emulator.service.storage import Storage
    from airflow_provider_videoretalk.emulator.work.samples import SampleShelf

InputName = Literal["video", "audio", "ref_image"]
SIZE_LIMITS: dict[InputName, Limit] = {"video": VIDEO_BYTES, "audio": AUDIO_BYTES, "ref_image": IMAGE_BYTES}
CHUNK = 256 * 1024
# Kept from the URL for engines that look at a name; nothing is decided by it here.
SUFFIXES = frozenset({".mp4", ".avi", ".mov", ".wav", ".mp3", ".aac", ".jpeg", ".jpg", ".png", ".bmp", ".webp"})

# The inputs of the vendor page's sample request stand for the emulator's own samples, so that it works offline.
VENDOR_HOST = "help-static-aliyun-doc.aliyuncs.com"
VENDOR_SAMPLES: dict[str, SampleName] = {
    "/file-manage-files/zh-CN/20250717/pvegot/input_video_01.mp4": "presenter.mp4",
    "/file-manage-files/zh-CN/20250717/aumwir/stella2-有声书7.wav": "speech.wav",
}


class Fetcher(Protocol):
    """Brings an input onto this machine."""

    async def fetch(self, *, url: str, name: InputName, task: Task, folder: Path) -> Path:
        """The local file of an input, refused with an ``InvalidURL...`` or ``InvalidFile.Size`` code."""
        raise NotImplementedError

    async def close(self) -> None: ...


class InputFetcher:
    """The fetcher of a running emulator.

    :param timeout: seconds a download may take in all
    """

    def __init__(self, *, storage: Storage, samples: SampleShelf, timeout: float) -> None:
        self._storage = storage
        self._samples = samples
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None
        # Tells the emulator's own downloads apart from its clients': faults and books are for the latter.
        self.token = secrets.token_hex(16)

    async def fetch(self, *, url: str, name: InputName, task: Task, folder: Path) -> Path:
        parts = urlsplit(url)
        if parts.scheme == "oss":
            return self._own_upload(url, task)
        if parts.hostname == VENDOR_HOST and (sample := VENDOR_SAMPLES.get(unquote(parts.path))):
            return await self._samples.path(sample)
        suffix = Path(unquote(parts.path)).suffix.lower()
        target = folder / f"{name}{suffix if suffix in SUFFIXES else ''}"
        try:
            await self._download(url, target=target, limit=SIZE_LIMITS[name], task=task)
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

    async def _download(self, url: str, *, target: Path, limit: Limit, task: Task) -> None:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._timeout))
        own = url.startswith(f"{task.origin}/")
        headers = {"x-emulator-download": self.token} if own else {}
        async with self._session.get(url, headers=headers) as response:
            if response.status != 200:
                raise MediaRefusedError("InvalidURL", f"Download of {url} failed: HTTP {response.status}.")
            _check_size(response.content_length or 0, limit)
            size = 0
            file = await asyncio.to_thread(target.open, "wb")
            try:
                async for chunk in response.content.iter_chunked(CHUNK):
                    size += len(chunk)
                    _check_size(size, limit)
                    await asyncio.to_thread(file.write, chunk)
            finally:
                await asyncio.to_thread(file.close)

    def _own_upload(self, url: str, task: Task) -> Path:
        # Codes of a foreign, expired or unknown upload are not known of the service.
        upload = self._storage.upload(key=unquote(url[len("oss://") :]), account=task.account.name, model=MODEL)
        if upload is None:
            raise MediaRefusedError(
                "InvalidURL", f"{url} does not exist, has expired, or belongs to another account or model."
            )
        return upload.path


def _check_size(size: int, limit: Limit) -> None:
    if not limit.allows(size):
        raise MediaRefusedError(limit.code, limit.refusal(size))
