"""Service: a systemd unit for `edge-runtime run`, its flags and its user."""
