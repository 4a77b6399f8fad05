"""The float-against-int8 benchmark: accuracy, latency, agreement, robustness, report."""
