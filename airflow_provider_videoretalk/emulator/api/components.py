"""The parts of one running emulator, as its routes use them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.emulator.execution.input_fetcher import Fetcher, InputFetcher
from airflow_provider_videoretalk.emulator.execution.job_runner import JobRunner
from airflow_provider_videoretalk.emulator.execution.photo_work import PhotoWork
from airflow_provider_videoretalk.emulator.execution.process_engine import ProcessEngine
from airflow_provider_videoretalk.emulator.execution.sample_media import SampleMedia
from airflow_provider_videoretalk.emulator.execution.transcription_work import TranscriptionWork
from airflow_provider_videoretalk.emulator.execution.videoretalk_work import VideoRetalkWork
from airflow_provider_videoretalk.emulator.execution.work import Work
from airflow_provider_videoretalk.emulator.faults import FaultPlan, Operation
from airflow_provider_videoretalk.emulator.service.job_inputs import (
    JobInputs,
    PhotoInputs,
    TranscriptionInputs,
    VideoRetalkInputs,
)
from airflow_provider_videoretalk.emulator.service.state import Caller, EmulatorState

if TYPE_CHECKING:
    from fastapi import Request

    from airflow_provider_videoretalk.emulator.execution.media_engine import MediaEngine
    from airflow_provider_videoretalk.emulator.service.clock import Clock
    from airflow_provider_videoretalk.emulator.settings import EmulatorSettings


@dataclass(frozen=True, kw_only=True)
class Components:
    """The parts of one emulator."""

    settings: EmulatorSettings
    state: EmulatorState
    faults: FaultPlan
    engine: MediaEngine
    samples: SampleMedia
    fetcher: Fetcher
    runner: JobRunner
    download_token: str


def build_components(
    settings: EmulatorSettings,
    *,
    clock: Clock,
    engine: MediaEngine | None = None,
    fetcher: Fetcher | None = None,
) -> Components:
    """Create the parts of an emulator; `engine` and `fetcher` replace the media work and the downloads in tests."""
    state = EmulatorState(settings=settings, clock=clock)
    engine = engine or ProcessEngine(workers=settings.worker_count)
    samples = SampleMedia(storage=state.storage, engine=engine)
    downloads = InputFetcher(storage=state.storage, samples=samples, timeout=settings.download_timeout)
    fetcher = fetcher or downloads
    works: dict[type[JobInputs], Work] = {
        VideoRetalkInputs: VideoRetalkWork(state=state, engine=engine, fetcher=fetcher),
        PhotoInputs: PhotoWork(state=state, engine=engine, fetcher=fetcher),
        TranscriptionInputs: TranscriptionWork(state=state, engine=engine, fetcher=fetcher),
    }
    return Components(
        settings=settings,
        state=state,
        faults=FaultPlan(),
        engine=engine,
        samples=samples,
        fetcher=fetcher,
        runner=JobRunner(state=state, works=works),
        download_token=downloads.token,
    )


def components_of(request: Request) -> Components:
    components: Components = request.app.state.components
    return components


def authenticate(request: Request) -> tuple[Components, Caller]:
    """Authenticate a request; 401."""
    components = components_of(request)
    caller = components.state.authenticate(request.headers.get("authorization"))
    request.scope["state"]["account"] = caller.account.name
    return components, caller


def authorize(request: Request, operation: Operation, *, limit: str | None = None) -> tuple[Components, Caller]:
    """Authenticate a request and count it; 401 or 429. Whether the service counts refused requests is not known.

    :param limit: the rate limit that counts it; by default that of the operation
    """
    components, caller = authenticate(request)
    components.state.count_call(caller, limit or operation)
    return components, caller
