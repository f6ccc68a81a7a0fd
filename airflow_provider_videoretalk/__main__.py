"""``python -m airflow_provider_videoretalk check``: looks at the inputs of a video, and sends nothing."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.dashscope.videoretalk import MODEL
from airflow_provider_videoretalk.media.appraisal import Appraisal
from airflow_provider_videoretalk.media.estimate import check_max_cost, price_of
from airflow_provider_videoretalk.media.inputs import Inputs
from airflow_provider_videoretalk.media.location import Location


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints what was found, and what the video would cost.

    :return: 0 where it may be submitted, 1 where it may not
    """
    options = _parser().parse_args(arguments)
    try:
        appraisal = _appraise(options)
        for sentence in appraisal.sentences:
            print(sentence)
        appraisal.report.check()
        check_max_cost(appraisal.estimate, options.max_cost)
    except DashScopeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m airflow_provider_videoretalk", description=__doc__)
    command = parser.add_subparsers(required=True, metavar="check").add_parser(
        "check",
        help="look at the inputs of a video",
        description="Looks at the inputs of a video as VideoRetalkOperator does. Sends nothing, and needs no key.",
    )
    command.add_argument(
        "video", metavar="VIDEO", help="a path, an http URL, or an object such as s3://conn@bucket/key"
    )
    command.add_argument("audio", metavar="AUDIO", help="likewise")
    command.add_argument("image", metavar="IMAGE", nargs="?", help="likewise: the face, where several are seen")
    command.add_argument("--video-extension", action="store_true", help="extend the picture to longer speech")
    command.add_argument("--max-cost", help="most that it may be estimated to cost")
    command.add_argument("--allow-private", action="store_true", help="look at addresses in private networks too")
    return parser


def _appraise(options: argparse.Namespace) -> Appraisal:
    inputs = Inputs.at(
        video=_location("VIDEO", options.video),
        audio=_location("AUDIO", options.audio),
        ref_image=_location("IMAGE", options.image) if options.image else None,
        video_extension=options.video_extension,
    )
    return inputs.appraise(price=price_of(MODEL), allow_private=options.allow_private)


def _location(name: str, text: str) -> Location:
    if "://" not in text:
        return Path(text).absolute()
    # Airflow is only loaded for what lies in a store.
    from airflow_provider_videoretalk.operators.values import as_location

    return as_location(name, text)


if __name__ == "__main__":
    sys.exit(main())
