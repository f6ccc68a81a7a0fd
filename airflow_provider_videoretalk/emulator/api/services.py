"""The parts of one running emulator, as routes find them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.emulator.faults import FaultPlan, Operation
from airflow_provider_videoretalk.emulator.service.state import Caller, EmulatorState
from airflow_provider_videoretalk.emulator.work.farm import FarmEngine
from airflow_provider_videoretalk.emulator.work.fetch import Fetcher, InputFetcher
from airflow_provider_videoretalk.emulator.work.runner import TaskRunner
from airflow_provider_videoretalk.emulator.work.samples import SampleShelf

if TYPE_CHECKING:
    from fastapi import Request

    from airflow_provider_videoretalk.emulator.service.account import Clock
    from airflow_provider_videoretalk.emulator.settings import EmulatorSettings
    from airflow_provider_videoretalk.emulator.work.engine_port import MediaEngine


@dataclass(frozen=True, kw_only=True)
class Services:
    settings: EmulatorSettings
    state: EmulatorState
    faults: FaultPlan
    engine: MediaEngine
    samples: SampleShelf
    fetcher: Fetcher
    runner: TaskRunner
    download_token: str


def build_services(
    settings: EmulatorSettings,
    *,
    clock: Clock,
    engine: MediaEngine | None = None,
    fetcher: Fetcher | None = None,
) -> Services:
    """Put an emulator together; `engine` and `fetcher` replace the media work and the downloads in tests."""
    state = EmulatorState(settings=settings, clock=clock)
    engine = engine or FarmEngine(workers=settings.worker_count)
    samples = SampleShelf(storage=state.storage, engine=engine)
    downloads = InputFetcher(storage=state.storage, samples=samples, timeout=settings.download_timeout)
    fetcher = fetcher or downloads
    return Services(
        settings=settings,
        state=state,
        faults=FaultPlan(),
        engine=engine,
        samples=samples,
        fetcher=fetcher,
        runner=TaskRunner(state=state, engine=engine, fetcher=fetcher),
        download_token=downloads.token,
    )


def services_of(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


def enter(request: Request, operation: Operation) -> tuple[Services, Caller]:
    """Authenticate a request and count it; 401 or 429. Whether refused requests count is not known of the service."""
    services = services_of(request)
    caller = services.state.authenticate(request.headers.get("authorization"))
    request.scope["state"]["account"] = caller.account.name
    services.state.throttle(caller, operation)
    return services, caller
