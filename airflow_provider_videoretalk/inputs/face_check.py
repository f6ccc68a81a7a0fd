"""Looks for the presenter's face in a clip at any location, before a render is paid for."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, DashScopeError
from airflow_provider_videoretalk.faces.presenter_check import FaceProblem, PresenterFaces, check_presenter
from airflow_provider_videoretalk.inputs.preflight import Finding, readable
from airflow_provider_videoretalk.model_catalog.videoretalk import VIDEO_BYTES
from airflow_provider_videoretalk.optional_dependencies import require_extra
from airflow_provider_videoretalk.outbound.host_access import AccessRule, public_only

if TYPE_CHECKING:
    from airflow_provider_videoretalk.media.location import Location

FaceCheck = Literal["off", "warn", "refuse"]
"""What the check of the presenter's face does.

- ``off``: nothing is read.
- ``warn``: a finding is logged, and the job is submitted.
- ``refuse``: a finding refuses the job.

A clip that could not be looked at is logged and never refuses a job.
"""


@dataclass(frozen=True, kw_only=True)
class FaceReport:
    """
    :param faces: the measures; ``None`` if the clip could not be looked at
    :param findings: the problems
    :param unchecked: the reason, in one sentence, if the clip could not be looked at
    """

    faces: PresenterFaces | None = None
    findings: tuple[Finding, ...] = ()
    unchecked: tuple[str, ...] = ()


def check_faces(
    location: Location, *, field: str, access: AccessRule = public_only, names_face: bool = False
) -> FaceReport:
    """Looks at a clip. One that is not on this machine is copied to a temporary file.

    :param field: the input's name, for the findings
    :param access: how the host of a URL may be connected to; by default only at public addresses
    :param names_face: whether the render job names the face to process, so that there may be several
    :raises ConfigurationError: the extra ``faces`` is not installed, or the connection of a store cannot be used
    """
    require_extra("faces", part="face_check")
    # Loads aiohttp.
    from airflow_provider_videoretalk.media.local_copy import local_copy

    try:
        with tempfile.TemporaryDirectory(prefix="videoretalk-") as folder:
            target = Path(folder, "presenter")
            most = round(VIDEO_BYTES.high or 0)
            faces = check_presenter(local_copy(readable(location), target, field="it", access=access, most=most))
    except ConfigurationError as error:
        raise ConfigurationError(f"{field}: {error.message}", remedy=error.remedy) from None
    except DashScopeError as error:
        return FaceReport(unchecked=(f"{field}: the face was not checked: {str(error).rstrip('.')}",))
    except OSError as error:
        return FaceReport(unchecked=(f"{field}: the face was not checked: {type(error).__name__}",))
    allowed: tuple[FaceProblem, ...] = ("several_faces",) if names_face else ()
    findings = tuple(
        Finding(field=field, value=found.value, limit=found.limit, remedy=found.remedy, code="")
        for found in faces.findings
        if found.code not in allowed
    )
    return FaceReport(faces=faces, findings=findings)
