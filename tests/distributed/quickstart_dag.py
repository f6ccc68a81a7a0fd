"""The quickstart, for a presenter in S3."""

from __future__ import annotations

from pathlib import Path

from project_files import ROOT

_SOURCES = 'ALLOWED_SOURCES = ["https://", "http://"]'


def quickstart_from_s3(folder: Path) -> Path:
    """Writes the example DAG with a store's prefix among the allowed sources, as its comment says. Returns its path."""
    text = (ROOT / "dags" / "videoretalk_quickstart.py").read_text()
    assert text.count(_SOURCES) == 1
    path = folder / "videoretalk_quickstart.py"
    path.write_text(text.replace(_SOURCES, 'ALLOWED_SOURCES = ["https://", "http://", "s3://aws_default@bucket/"]'))
    return path
