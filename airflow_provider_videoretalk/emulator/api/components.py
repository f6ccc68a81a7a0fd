"""The parts of one running emulator, as its routes use them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.emulator.execution.input_fetcher import Fetcher, InputFetcher
from airflow_provider_videoretalk.emulator.execution.job_runner import JobRunner
from airflow_provider_videoretalk.emulator.execution.process_engine import ProcessEngine
from airflow_provider_videoretalk.emulator.execution.sample_media import SampleMedia
from airflow_provider_videoretalk.emulator.faults import FaultPlan, Operation
from airflow_provider_videoretalk.emulator.service.state import Caller, EmulatorState
from airflow_provider_videoretalk.emulator.service.voices import VoiceRegistry

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
    voices: VoiceRegistry
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
    return Components(
        settings=settings,
        state=state,
        voices=VoiceRegistry(settings=settings, clock=clock),
        faults=FaultPlan(),
        engine=engine,
        samples=samples,
        fetcher=fetcher,
        runner=JobRunner(state=state, engine=engine, fetcher=fetcher),
        download_token=downloads.token,
    )


def components_of(request: Request) -> Components:
    components: Components = request.app.state.components
    return components


def authorize(request: Request, operation: Operation) -> tuple[Components, Caller]:
    """Authenticate a request and count it; 401 or 429. Whether the service counts refused requests is not known."""
    components = components_of(request)
    caller = components.state.authenticate(request.headers.get("authorization"))
    request.scope["state"]["account"] = caller.account.name
    components.state.count_call(caller, operation)
    return components, caller
