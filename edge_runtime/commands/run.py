"""`edge-runtime run`: camera → detections → web page, MQTT, files, until it is told to stop."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from contextlib import ExitStack
from importlib import import_module

from edge_runtime.arguments import SubParsers
from edge_runtime.commands.detect import add_detector_arguments, load_detector
from edge_runtime.pipeline.pipeline import Pipeline
from edge_runtime.pipeline.reloading_detector import Model
from edge_runtime.pipeline.stats import Stats
from edge_runtime.sinks import systemd
from edge_runtime.sinks.base import Context, Sink
from edge_runtime.sinks.json_lines import JsonLines
from edge_runtime.sources.base import Source, SourceError, SourceOptions, without_password
from edge_runtime.sources.factory import add_arguments as add_source_arguments
from edge_runtime.sources.factory import open_source

log = logging.getLogger(__name__)

# Modules of edge_runtime.sinks → the flag that asks for one. Its settings are named after it,
# --web-fps after --web, --video-fps after --save-video, all but those of OTHER_SETTINGS.
SINKS = {
    "json_lines": "--jsonl",
    "web.sink": "--web",
    "mqtt.flags": "--mqtt",
    "video": "--save-video",
    "events": "--save-events",
    "window": "--window",
}
OTHER_SETTINGS = {"--mqtt": {"state_dir"}}

DESCRIPTION = """\
Find objects in what a camera sees, until Ctrl-C. Where no sink is named, results
are printed as JSON lines.
Exit status: 0; 1 if the source failed on the way; 2 if nothing could start.
"""


def add_parser(subparsers: SubParsers) -> None:
    """Add `run` to the sub-commands."""
    parser = subparsers.add_parser(
        "run",
        help="watch a camera, a stream or a file",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="a .tflite file of this project")
    add_source_arguments(parser.add_argument_group("source"))
    detector = parser.add_argument_group("detector")
    add_detector_arguments(detector)
    detector.add_argument(
        "--classes", metavar="NAME,…", help="report only these, separated by commas (default: all)"
    )
    for name in SINKS:
        import_module(f"edge_runtime.sinks.{name}").add_arguments(parser)
    parser.add_argument("--verbose", action="store_true", help="say more on stderr")
    parser.set_defaults(run=run, get_default=parser.get_default)


def run(args: argparse.Namespace) -> int:
    """Run the pipeline. Returns: the exit status."""
    logging.basicConfig(
        level=logging.INFO if args.verbose else logging.WARNING,
        format="edge-runtime: %(message)s",
        stream=sys.stderr,
    )
    with ExitStack() as stack:
        try:
            pipeline = _start(args, stack)
        except (OSError, ValueError, ImportError, SourceError) as error:
            print(f"edge-runtime: {error}", file=sys.stderr)
            return 2
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # nohup asks that the end of a terminal be ignored.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, lambda *_: pipeline.stop())
        try:
            pipeline.run()
        except SourceError as error:
            print(f"edge-runtime: {error}", file=sys.stderr)
            return 1
    return 0


def _start(args: argparse.Namespace, stack: ExitStack) -> Pipeline:
    """Everything opened, nothing running. Raises: what could not be opened."""
    model = load_model(args)
    started: list[Pipeline] = []
    snapshots: list[Stats] = []
    sources: list[Source] = []
    context = Context(
        model=args.model,
        class_names=model.class_names,
        source=without_password(args.source),
        fps=lambda: sources[0].fps if sources else None,
        snapshot=lambda: snapshots[0].snapshot() if snapshots else {},
        stop=lambda: started[0].stop() if started else None,
    )
    sinks = make_sinks(args, context)
    source = make_source(args, model, sinks)
    sources.append(source)
    with ExitStack() as opened:  # closed again where a later one cannot be opened
        for sink in sinks:
            sink.open()
            opened.callback(sink.close)
        stack.enter_context(source)
        opened.pop_all()  # the pipeline closes them from here on
    snapshots.append(Stats(source))
    started.append(Pipeline(source, model, sinks, snapshots[0], args.max_fps))
    return started[0]


def load_model(args: argparse.Namespace) -> Model:
    """The model that the flags describe. Raises: as `Model`."""
    names = None if args.classes is None else [name.strip() for name in args.classes.split(",")]
    return Model(lambda: load_detector(args), args.model, names)


def make_sinks(args: argparse.Namespace, context: Context) -> list[Sink]:
    """The sinks that the flags ask for, not yet opened.

    Raises: what their `create` raises, ValueError for settings of a sink that nobody asked for.
    """
    sinks: list[Sink] = []
    for name, flag in SINKS.items():
        sink = import_module(f"edge_runtime.sinks.{name}").create(args, context)
        if sink is None:
            _refuse_settings_without(flag, args)
        else:
            sinks.append(sink)
    sinks = sinks or [JsonLines("-")]
    service = systemd.create(context)
    return sinks if service is None else [*sinks, service]


def _refuse_settings_without(flag: str, args: argparse.Namespace) -> None:
    """A film that is not saved because --save-video was forgotten would be missed too late."""
    prefix = f"{flag.split('-')[-1]}_"
    for name, value in vars(args).items():
        belongs = name.startswith(prefix) or name in OTHER_SETTINGS.get(flag, ())
        if belongs and value != args.get_default(name):
            setting = f"--{name.replace('_', '-')}"
            raise ValueError(f"{setting} does nothing without {flag}; add {flag} or leave it out")


def make_source(args: argparse.Namespace, model: Model, sinks: list[Sink]) -> Source:
    """The source that the flags describe, not yet opened. Raises: as `open_source`."""
    options = SourceOptions(
        input_hw=model.detector.spec.input_hw,
        needs_image=any(sink.needs_image for sink in sinks),
        size_wh=args.size,
        max_fps=args.max_fps,
        loop=args.loop,
        realtime=args.realtime,
        rotate=args.rotate,
        stall_after=args.stall_after,
        # A service has nobody who would start it again once the camera is plugged in.
        wait=args.wait or systemd.is_listening(),
    )
    return open_source(args.source, options)
