"""Who listens where, and how each process is started: with a disk and a network of its own where that is allowed."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distributed.machine import unshared, why_not
from distributed.settings import (
    ADDRESSES,
    API_SERVERS,
    CENTRALS,
    MACHINES,
    Central,
    Machine,
    arguments_of,
    common_settings,
    home_settings,
)
from system.service import free_ports

_HERE = Path(__file__).parent
_SHARED = ("balancer", "database", "redis", "logs", "studio")


class Layout:
    """Ports, routes, commands and environments.

    :param home: an empty folder
    :param others: services on this machine which tasks use too: name -> port
    """

    def __init__(self, *, home: Path, others: Mapping[str, int]) -> None:
        self.home = home
        names = (*_SHARED, *API_SERVERS, *MACHINES)
        self.ports = dict(zip(names, free_ports(len(names)), strict=True)) | others
        self.why_one_network = why_not()
        self.own_tmp = not any(Path(path).is_relative_to("/tmp") for path in (sys.prefix, sys.base_prefix, home))

    def __str__(self) -> str:
        if self.why_one_network:
            return f"machines: a home and a TMPDIR of their own, but one network ({self.why_one_network})"
        tmp = "a disk and a /tmp" if self.own_tmp else "a disk and a TMPDIR (/tmp has what all of them run)"
        return f"machines: {tmp} of their own, and a network that can be cut"

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.ports['balancer']}"

    @property
    def broker(self) -> str:
        return f"redis://127.0.0.1:{self.ports['redis']}/0"

    @property
    def database(self) -> str:
        """The database by TCP, as machines reach it."""
        return f"postgresql+psycopg2://postgres@127.0.0.1:{self.ports['database']}/postgres"

    @property
    def control(self) -> Path:
        return self.home / "net" / "control"

    def make_folders(self) -> None:
        for name in (*CENTRALS, *MACHINES):
            (self.home / "nodes" / name / "tmp").mkdir(parents=True)
        for folder in ("machine", "net"):
            (self.home / folder).mkdir()

    def switch_command(self) -> list[str]:
        plan = {"control": str(self.control), "routes": self._routes()}
        return [sys.executable, str(_HERE / "switch.py"), json.dumps(plan)]

    def command_of(self, name: Machine | Central) -> list[str]:
        command = [sys.executable, "-m", "airflow", *arguments_of(name)]
        if not self._is_apart(name):
            return command
        plan = {
            "disk": str(self.home / "nodes" / name),
            "home": str(self.home / "machine"),
            "others": str(self.home / "nodes"),
            "own_tmp": self.own_tmp,
            "uplink": self._uplink(name),
        }
        return [*unshared(), sys.executable, str(_HERE / "machine.py"), json.dumps(plan), *command]

    def common_env(self) -> dict[str, str]:
        return common_settings(api=self.api, broker=self.broker, results=self.database)

    def env_of(self, name: Machine | Central) -> dict[str, str]:
        """What of its environment is the process's own."""
        apart = self._is_apart(name)
        home = self.home / "machine" if apart else self.home / "nodes" / name
        env = home_settings(
            home=str(home),
            tmp="/tmp" if apart and self.own_tmp else str(home / "tmp"),
            address=ADDRESSES.get(name, "127.0.0.1"),
            log_port=self.ports[name] if name in MACHINES and not apart else self.ports["logs"],
        )
        if name in MACHINES:
            env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = self.database
        if name in API_SERVERS:
            env["AIRFLOW__API__PORT"] = str(self.ports[name])
        return env

    def _is_apart(self, name: str) -> bool:
        return name in MACHINES and not self.why_one_network

    def _services(self) -> dict[str, list[str]]:
        """What a machine reaches, by name, and where it really is."""
        apart = {
            "balancer": [f"127.0.0.1:{self.ports[name]}" for name in API_SERVERS],
            "database": [f"unix:{self.home / 'database' / '.s.PGSQL.5432'}"],
        }
        direct = [name for name in self.ports if name not in (*apart, "logs", *API_SERVERS, *MACHINES)]
        return apart | {name: [f"127.0.0.1:{self.ports[name]}"] for name in direct}

    def _routes(self) -> list[dict[str, Any]]:
        services = self._services()
        routes = [_route(f"127.0.0.1:{self.ports[name]}", *services[name]) for name in ("balancer", "database")]
        for machine in MACHINES:
            own = f"127.0.0.1:{self.ports[machine]}" if self.why_one_network else self._socket(machine, "logs")
            routes.append(_route(f"{ADDRESSES[machine]}:{self.ports['logs']}", own, machine=machine))
            if not self.why_one_network:
                ways = services.items()
                routes += [_route(self._socket(machine, name), *targets, machine=machine) for name, targets in ways]
        return routes

    def _uplink(self, machine: str) -> list[dict[str, Any]]:
        """The routes within a machine: what it reaches has the same address everywhere."""
        out = [_route(f"127.0.0.1:{self.ports[name]}", self._socket(machine, name)) for name in self._services()]
        return [*out, _route(self._socket(machine, "logs"), f"127.0.0.1:{self.ports['logs']}")]

    def _socket(self, machine: str, name: str) -> str:
        return f"unix:{self.home / 'net' / f'{machine}-{name}'}"


def _route(listen: str, *targets: str, machine: str = "") -> dict[str, Any]:
    return {"listen": listen, "targets": targets, "machine": machine}
