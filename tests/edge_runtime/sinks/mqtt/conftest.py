"""Fixtures of the MQTT sink's tests."""

import pytest

from tests.edge_runtime.sinks.mqtt.mosquitto import Mosquitto


@pytest.fixture
def broker(tmp_path):
    with Mosquitto(tmp_path) as broker:
        yield broker
