"""A standalone master that accepts connections and never says a word."""

import socket

import pytest

from stedi_assets.engine import probes
from stedi_assets.engine.probes import EngineError
from stedi_assets.engine.session import SparkEngine


def test_it_is_an_error_within_seconds(monkeypatch):
    """Where Spark's own driver said nothing for two minutes."""
    monkeypatch.setattr(probes, "CONNECT_TIMEOUT_SECONDS", 1.0)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        url = f"spark://127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(EngineError) as caught, SparkEngine(spark=url).running() as engine:
            _ = engine.session
    assert "STEDI_SPARK=spark://127.0.0.1: what listens there does not answer as a Spark master" in str(
        caught.value
    )
    assert "STEDI_SPARK=sail" in str(caught.value)
