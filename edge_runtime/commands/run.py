"""`edge-runtime run`: camera → detections → web page, MQTT, files, until it is told to stop."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from edge_runtime.arguments import PROGRAM, SubParsers, local_path
from edge_runtime.commands.detector_flags import (
    MODEL_HELP,
    add_detector_arguments,
    load_detector,
    resizer_of,
)
from edge_runtime.detector.interpreter import NetworkError
from edge_runtime.detector.resize import OPENCV, PILLOW, keep_opencv_to_one_thread
from edge_runtime.pipeline.model_history import service_history
from edge_runtime.pipeline.pipeline import Pipeline
from edge_runtime.pipeline.reloading_detector import ReloadingDetector
from edge_runtime.pipeline.stats import Stats
from edge_runtime.sinks import systemd
from edge_runtime.sinks.base import Context, Sink
from edge_runtime.sinks.flags import STDOUT
from edge_runtime.sinks.json_lines import JsonLinesSink
from edge_runtime.sinks.late import LateSink, check_some_open
from edge_runtime.sinks.registry import SINKS
from edge_runtime.sources.address import public_source
from edge_runtime.sources.base import Source, SourceError, SourceOptions
from edge_runtime.sources.factory import add_arguments as add_source_arguments
from edge_runtime.sources.factory import is_decoded_by_opencv, open_source
from edge_runtime.system.paths import printable_path

log = logging.getLogger(__name__)

DESCRIPTION = """\
Find objects in what a camera sees, until Ctrl-C. Where no sink is named, results
are printed as JSON lines.
Exit status: 0; 1 if the source or the model failed on the way, or a sink lost all of its
results or some of a recording's; 2 if nothing could start.
"""


def add_parser(subparsers: SubParsers) -> None:
    """Add `run` to the sub-commands."""
    parser = subparsers.add_parser(
        "run",
        help="watch a camera, a stream or a file",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", type=local_path, help=MODEL_HELP)
    add_source_arguments(parser.add_argument_group("source"))
    detector = parser.add_argument_group("detector")
    add_detector_arguments(detector)
    detector.add_argument(
        "--classes", metavar="NAME,…", help="report only these, separated by commas (default: all)"
    )
    for sink in SINKS:
        sink.add_arguments(parser)
    parser.add_argument("--verbose", action="store_true", help="say more on stderr")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the pipeline. Returns: the exit status."""
    logging.basicConfig(
        level=logging.INFO if args.verbose else logging.WARNING,
        format=f"{PROGRAM}: %(message)s",
        stream=sys.stderr,
    )
    with ExitStack() as stack:
        # Until there is a pipeline to stop: an end in good order, so that a service's model file is
        # not taken for what ended it.
        signal.signal(signal.SIGTERM, _leave)
        try:
            pipeline = _start(args, stack)
        except (OSError, ValueError, ImportError, SourceError) as error:
            print(f"{PROGRAM}: {error}", file=sys.stderr)
            return 2
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # nohup asks that the end of a terminal be ignored.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, lambda *_: pipeline.stop())
        try:
            pipeline.run()
        except (SourceError, NetworkError) as error:
            print(f"{PROGRAM}: {error}", file=sys.stderr)
            return 1
    status = 1 if pipeline.has_lost() else 0
    if pipeline.stuck:  # a library that hangs would end the process with a signal at the exit
        logging.shutdown()
        os._exit(status)
    return status


def _leave(*_: object) -> None:
    raise SystemExit(0)


def _start(args: argparse.Namespace, stack: ExitStack) -> Pipeline:
    """Pipeline with everything open and nothing running. Raises: as what could not be opened."""
    detector = make_detector(args)
    log.info("frames are resized by %s", detector.detector.resizer)
    sinks = make_sinks(args)
    source = make_source(args, detector, sinks)
    stats = Stats(source)
    pipeline = Pipeline(source, detector, sinks, stats, args.max_fps)
    context = Context(
        model=printable_path(args.model),
        class_names=detector.class_names,
        source=printable_path(public_source(args.source)),
        fps=lambda: source.fps,
        snapshot=stats.snapshot,
        stop=pipeline.stop,
    )
    with ExitStack() as opened:  # closed again where a later one cannot be opened
        for sink in sinks:
            sink.open(context)
            opened.callback(sink.close)
        check_some_open([sink for sink in sinks if isinstance(sink, LateSink)])
        stack.enter_context(source)
        opened.pop_all()  # the pipeline closes them from here on
    return pipeline


def make_detector(args: argparse.Namespace) -> ReloadingDetector:
    """The detector that the flags describe. Raises: as `ReloadingDetector`."""
    names = None if args.classes is None else [name.strip() for name in args.classes.split(",")]
    usual_resizer = OPENCV if is_decoded_by_opencv(args.source) else PILLOW
    if resizer_of(args, usual_resizer) == OPENCV:
        keep_opencv_to_one_thread()  # before a model file is opened, which would be blamed for it
    return ReloadingDetector(
        lambda file: load_detector(args, file, usual_resizer), args.model, names, service_history()
    )


def make_sinks(args: argparse.Namespace) -> list[Sink]:
    """The sinks that the flags ask for, not yet opened.

    Raises: as `SinkFlags.create`; ValueError for settings of a sink that nobody asked for.
    """
    sinks: list[Sink] = []
    for flags in SINKS:
        flags.check_settings(args)
        if flags.is_asked_for(args):
            sinks.append(LateSink(flags.create(args)))
    sinks = sinks or [JsonLinesSink(STDOUT)]
    service = systemd.create()
    return sinks if service is None else [*sinks, service]


def make_source(
    args: argparse.Namespace, detector: ReloadingDetector, sinks: Sequence[Sink]
) -> Source:
    """The source that the flags describe, not yet opened. Raises: as `open_source`."""
    options = SourceOptions(
        input_hw=detector.input_hw,
        keeps_aspect=detector.keeps_aspect,
        needs_image=any(sink.needs_image for sink in sinks),
        size_wh=args.size,
        max_fps=args.max_fps,
        loop=args.loop,
        watch=args.watch,
        realtime=args.realtime,
        rotate=args.rotate,
        mirror=args.mirror,
        stall_after=args.stall_after,
        # A service has nobody who would start it again once the camera is plugged in.
        wait=args.wait or systemd.is_listening(),
    )
    return open_source(args.source, options)
