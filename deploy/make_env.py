"""Writes the file .env beside compose.yaml, with new secrets. A file that is there stays as it is.

Run it with any Python 3: ``python3 deploy/make_env.py``. It needs no package.
"""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

TARGET = Path(__file__).with_name(".env")


def main() -> None:
    values = {name: secrets.token_hex(32) for name in ("API_SECRET_KEY", "JWT_SECRET", "POSTGRES_PASSWORD")}
    values["REDIS_PASSWORD"] = secrets.token_hex(32)
    values["FERNET_KEY"] = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    try:
        # Readable by its owner alone, from the first byte on.
        descriptor = os.open(TARGET, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        print(f"{TARGET} is there already; it was not changed")
        return
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in values.items())
    print(f"Wrote {TARGET}")


if __name__ == "__main__":
    main()
