"""``check``: checks the inputs of a video. Sends nothing to the service."""

from __future__ import annotations

import argparse
import json
import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.cli.exit_code import ExitCode

if TYPE_CHECKING:
    from airflow_provider_videoretalk.cli.check_result import CheckResult
    from airflow_provider_videoretalk.inputs.retalk_inputs import RetalkInputs
    from airflow_provider_videoretalk.media.location import Location

NAME = "check"
HELP = "check the inputs of a video and estimate its cost"
DESCRIPTION = "Checks the inputs of a video as VideoRetalkOperator does. Submits nothing and needs no key."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("video", metavar="VIDEO", help="a path, an http URL, or an object such as s3://conn@bucket/key")
    add("audio", metavar="AUDIO", help="see VIDEO")
    add("image", metavar="IMAGE", nargs="?", help="see VIDEO; the face to process if the video shows several")
    add("--video-extension", action="store_true", help="extend the video to longer speech")
    add("--max-cost", type=_amount, metavar="AMOUNT", help="highest estimated cost")
    add("--allow-private", action="store_true", help="also read addresses in private networks")
    add(
        "--json",
        action="store_true",
        help="print the result as JSON, by cli/check.schema.json of the package",
    )


def run(options: argparse.Namespace) -> ExitCode:
    """Prints the findings and the estimated cost."""
    result = _result(options)
    if options.json:
        print(json.dumps(result.to_json(), ensure_ascii=False, indent=2))
        return result.exit_code
    for sentence in result.sentences:
        print(sentence)
    if result.error:
        print(result.error, file=sys.stderr)
    return result.exit_code


def _result(options: argparse.Namespace) -> CheckResult:
    from airflow_provider_videoretalk.cli.check_result import CheckResult
    from airflow_provider_videoretalk.dashscope.errors import DashScopeError, TransportError
    from airflow_provider_videoretalk.inputs.cost_estimate import check_max_cost
    from airflow_provider_videoretalk.model_catalog.videoretalk import VIDEORETALK
    from airflow_provider_videoretalk.outbound.host_access import any_address, public_only

    report = None
    try:
        inputs = _inputs(options)
        report = inputs.preflight(price=VIDEORETALK.price, access=any_address if options.allow_private else public_only)
        report.inspection.check()
        check_max_cost(report.estimate, options.max_cost)
        unread = [field for field in inputs.sources if field not in report.inspection.media]
        if unread:
            raise TransportError(
                f"{', '.join(unread)} could not be read", remedy="See the lines that begin with: not checked."
            )
    except DashScopeError as error:
        return CheckResult(report=report, error=error, max_cost=options.max_cost)
    return CheckResult(report=report, max_cost=options.max_cost)


def _inputs(options: argparse.Namespace) -> RetalkInputs:
    from airflow_provider_videoretalk.inputs.retalk_inputs import RetalkInputs

    return RetalkInputs.from_locations(
        video=_location("VIDEO", options.video),
        audio=_location("AUDIO", options.audio),
        ref_image=_location("IMAGE", options.image) if options.image else None,
        video_extension=options.video_extension,
    )


def _location(name: str, text: str) -> Location:
    if "://" not in text:
        return Path(text).absolute()
    # Loads Airflow, which only an object in a store needs.
    from airflow_provider_videoretalk.operators.template_values import as_location

    return as_location(name, text)


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("nan")
    if not amount.is_finite() or amount < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 0 or more")
    return amount
