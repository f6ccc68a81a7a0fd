"""Imports every module of the installed package."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from importlib.metadata import version

import airflow_provider_videoretalk as package

# Modules that need another Airflow version or an extra that is not installed, and a part of their error message.
ALLOWED_ERRORS = {
    "airflow_provider_videoretalk.retry_policy": "needs Airflow 3.3 or newer",
    "airflow_provider_videoretalk.airflow_adapters.openlineage_facets": "airflow.providers.openlineage",
    "airflow_provider_videoretalk.emulator.engine.espeak": "espeakng_loader",
}


def main() -> int:
    print("apache-airflow", version("apache-airflow"), "from", package.__file__)
    failures = []
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if module.name.endswith(".__main__"):
            continue
        try:
            importlib.import_module(module.name)
        except ImportError as error:
            if module.name not in ALLOWED_ERRORS or ALLOWED_ERRORS[module.name] not in str(error):
                failures.append(f"{module.name}: {error}")
            else:
                print("allowed:", error)
    print("\n".join(failures) or "all imported")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
