"""Moved modules: an import by an old name fails with the new one in the message.

A finder at the very end of `sys.meta_path`: it is asked only when everything else has failed, so it
neither slows an import that succeeds nor stands in front of any module.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

# package → old module, without the package → where its contents are now; several modules between
# commas. An old module whose name is a package's now stands for the names that were in it.
MOVED: dict[str, dict[str, str]] = {
    "edge_runtime": {
        "anchors": "edge_runtime.detector.anchors",
        "bench": "edge_runtime.commands.bench",
        "bench_command": "edge_runtime.commands.bench",
        "board": "edge_runtime.system.board",
        "boxes": "edge_runtime.detector.boxes",
        "calibration": "edge_runtime.detector.calibration_record",
        "decode": "edge_runtime.detector.postprocess",
        "detect_command": "edge_runtime.commands.detect, edge_runtime.detector.latency",
        "detections": "edge_runtime.detector.detections",
        "detector": "edge_runtime.detector.detector",
        "doctor.colour_order": "edge_runtime.doctor.camera_probe",
        "doctor_command": "edge_runtime.commands.doctor",
        "draw": "edge_runtime.media.draw",
        "extras": "edge_runtime.system.optional_imports",
        "files": "edge_runtime.media.atomic",
        "fingerprint": "edge_runtime.detector.calibration_record",
        "images": "edge_runtime.media.images",
        "interpreter": "edge_runtime.detector.interpreter",
        "latency": "edge_runtime.detector.latency",
        "machine": "edge_runtime.system.machine",
        "mailbox": "edge_runtime.latest_queue",
        "model": "edge_runtime.pipeline.reloading_detector",
        "mqtt": "edge_runtime.sinks.mqtt",
        "notify": "edge_runtime.sinks.systemd",
        "pipeline": "edge_runtime.pipeline.pipeline",
        "preprocess": "edge_runtime.detector.preprocess",
        "run_command": "edge_runtime.commands.run",
        "runtime": "edge_runtime.detector.interpreter",
        "service_command": "edge_runtime.commands.install_service",
        "sinks.event_store": "edge_runtime.sinks.events",
        "sinks.mqtt": "edge_runtime.sinks.mqtt.flags",
        "sinks.runner": "edge_runtime.pipeline.sink_thread",
        "sinks.sink": "edge_runtime.sinks.base",
        "sinks.video_files": "edge_runtime.sinks.video",
        "sinks.web": "edge_runtime.sinks.web.sink",
        "sources.camera": "edge_runtime.sources.picamera",
        "sources.camera_formats": "edge_runtime.sources.picamera",
        "sources.capture": "edge_runtime.sources.isolated.worker",
        "sources.child": "edge_runtime.sources.isolated.client",
        "sources.files": "edge_runtime.sources.images",
        "sources.opencv_pictures": "edge_runtime.sources.opencv",
        "sources.opencv_source": "edge_runtime.sources.opencv",
        "sources.pace": "edge_runtime.sources.pacing",
        "sources.process": "edge_runtime.sources.isolated.supervisor",
        "sources.slots": "edge_runtime.sources.isolated.shared_frames",
        "sources.source": "edge_runtime.sources.base, edge_runtime.sources.factory",
        "spec": "edge_runtime.detector.spec",
        "stats": "edge_runtime.pipeline.stats",
        "web": "edge_runtime.sinks.web",
    },
    "train": {
        "anchor_fit": "train.anchors.kmeans",
        "anchor_picture": "train.anchors.plot",
        "anchor_reach": "train.anchors.coverage",
        "anchors": "train.anchors.levels",
        "augment": "train.data.augment",
        "backbone": "train.model.pretrained",
        "batch_norm": "train.model.batch_norm",
        "calibrate": "train.quantization.calibrate",
        "callbacks": "train.training.callbacks",
        "check": "train.data.lint.checks",
        "check_annotation": "train.data.lint.checks",
        "check_command": "train.data.__main__",
        "checkpoint": "train.training.checkpoint",
        "clutter": "train.digits.clutter",
        "colour": "train.data.augment",
        "contact_sheet": "train.evaluation.contact_sheet",
        "data": "train.data.dataset",
        "data_report": "train.data.lint.report",
        "digits": "train.digits.__main__",
        "evaluate": "train.evaluation.coco",
        "event_log": "train.training.logs",
        "fake_quant": "train.quantization.fake_quant",
        "findings": "train.data.lint.findings",
        "glyphs": "train.digits.glyphs",
        "history": "train.training.logs",
        "hosts": "train.training.distributed",
        "idx": "train.digits.glyphs",
        "initial": "train.training.initial_weights",
        "int8_net": "train.quantization.simulated_net",
        "leaks": "train.data.lint.leaks",
        "loader": "train.data.batches",
        "loop": "train.trainer",
        "loss": "train.model.loss",
        "model": "train.model.ssd",
        "nets": "train.training.model_views",
        "new_folder": "train.data.lint.repair",
        "optimizer": "train.training.optimizer",
        "painter": "train.digits.writer",
        "pictures": "train.data.geometry",
        "placement": "train.data.geometry",
        "presets": "train.model.presets",
        "qat": "train.quantization.qat",
        "quiet": "train.captured_output",
        "ranges": "train.quantization.calibrate",
        "recipe": "train.setup",
        "record": "train.training.provenance",
        "repair": "train.data.lint.repair",
        "repair_annotation": "train.data.lint.repair",
        "sample_sheet": "train.data.lint.report",
        "scenes": "train.digits.scenes",
        "speed": "train.training.callbacks",
        "spelling": "train.data.lint.spelling",
        "spread": "train.training.distributed",
        "survey": "train.data.lint.survey",
        "targets": "train.data.targets",
        "unit_names": "train.quantization.fused_ops",
        "units": "train.quantization.fused_ops",
        "voc": "train.data.formats.voc",
        "voc_folder": "train.data.formats.voc",
        "voc_xml": "train.data.formats.voc",
    },
    "convert": {
        "accuracy": "convert.benchmark.predict",
        "advice": "convert.explain.diagnosis",
        "agreement": "convert.benchmark.agreement",
        "audit": "convert.quantize.calibration_data",
        "benchmark": "convert.benchmark.__main__",
        "calibration": "studies.calibration",
        "calibration_methods": "studies.calibration",
        "calibration_picture": "studies.calibration",
        "comparison": "convert.benchmark.run",
        "conversion": "convert.pipeline",
        "detection_loss": "convert.explain.ap_by_block",
        "explain": "convert.explain.__main__",
        "explain_picture": "convert.explain.tables",
        "explain_table": "convert.explain.tables",
        "explanation": "convert.explain.layer_errors",
        "family": "studies.width_and_size",
        "family_picture": "studies.width_and_size",
        "family_table": "studies.width_and_size",
        "file_ranges": "convert.explain.quantization",
        "layer_errors": "convert.explain.layer_errors",
        "output_errors": "convert.explain.output_errors",
        "page": "convert.benchmark.html",
        "page_pictures": "convert.benchmark.html",
        "page_plots": "convert.benchmark.html_plots",
        "quiet": "convert.errors",
        "recipes": "convert.pipeline",
        "report": "convert.benchmark.report",
        "representative": "convert.quantize.calibration_data",
        "robustness": "convert.benchmark.robustness",
        "rounding": "convert.quantize.bias_correction",
        "second_opinion": "convert.quantize.ai_edge_quantizer",
        "seeds": "studies.seeds",
        "switched_net": "convert.explain.switchable_net",
        "versions": "convert.runtime_versions",
        "weight_rounding": "convert.quantize.gptq",
    },
}


class MovedFinder:
    """Finds nothing, and raises for a name that was moved.

    Not an `importlib.abc.MetaPathFinder`, whose module takes as long to import as half of NumPy.

    Attributes:
        packages: whose old names it knows.
    """

    def __init__(self) -> None:
        self.packages: set[str] = set()

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Raises: ModuleNotFoundError, ImportError that say where `fullname` is now."""
        package, _, old = fullname.partition(".")
        if package not in self.packages:
            return None
        table = MOVED[package]
        if old in table:
            # Without the attribute `name`: by it `from package import old` would take this for a
            # name that is simply not there, and say no more than that.
            raise ModuleNotFoundError(
                f"No module named {fullname!r}: its contents are in {table[old]} now"
            )
        module, _, name = old.rpartition(".")
        if module in table and not name.startswith("_"):
            raise ImportError(
                f"cannot import name {name!r} from '{package}.{module}': "
                f"the contents of that module are in {table[module]} now"
            )
        return None


_finder = MovedFinder()


def install(package: str) -> None:
    """Let failed imports of old names in `package`, a key of MOVED, say the new ones."""
    _finder.packages.add(package)
    if _finder not in sys.meta_path:
        sys.meta_path.append(_finder)
