"""Threads of a file with TFLite_Detection_PostProcess inside: on several, it may skip a class.

With NMS within each class, T > 1 threads take the classes 0 to T - 1 first and go on at T + 1:
class T is never found, and nothing says so (`next_col` in tensorflow/lite/kernels/
detection_postprocess.cc; seen up to LiteRT 2.3.0). The fast NMS, of all classes at once, skips
none.
"""

from __future__ import annotations

import logging

from edge_runtime.detector.adapters.foreign_file import ForeignFile
from edge_runtime.detector.interpreter import available_cores
from edge_runtime.detector.model_facts import post_process_options

log = logging.getLogger(__name__)


def safe_threads(file: ForeignFile, wanted: int | None) -> int | None:
    """`wanted`, or 1 where the file would skip one of its classes on so many threads.

    Args:
        wanted: None for all cores that this process may use.
    """
    threads = available_cores() if wanted is None else wanted
    if file.facts.post_process is None or threads == 1:
        return wanted
    options = post_process_options(file.facts.post_process.options)
    classes = options.get("num_classes")
    if not options.get("use_regular_nms") or not isinstance(classes, int) or classes <= threads:
        return wanted
    if file.spec is not None and classes > file.spec.num_classes:  # exported with empty columns
        return wanted
    log.warning(
        "%s runs on one thread: on %d, TFLite_Detection_PostProcess inside it never finds class %d",
        *(file.path, threads, threads),
    )
    return 1
