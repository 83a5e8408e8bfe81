"""Sensors, evaluated as Dagster's daemon does it."""

import dagster as dg
from dagster._core.definitions.sensor_definition import SensorExecutionData

from stedi_assets.definitions import build_definitions
from stedi_assets.engine.session import SparkEngine
from stedi_assets.settings import Settings


class Daemon:
    """Evaluates one sensor of the product's own definitions, and keeps its cursor."""

    def __init__(
        self,
        settings: Settings,
        engine: SparkEngine,
        sensor: str = "landing_files_sensor",
        instance: dg.DagsterInstance | None = None,
    ) -> None:
        self.sensor = sensor
        self.definitions = build_definitions(settings, engine)
        self.instance = instance or dg.DagsterInstance.ephemeral()
        self.cursor: str | None = None
        self.keys: set[str] = set()

    def tick(self) -> SensorExecutionData:
        repository = self.definitions.get_repository_def()
        with dg.build_sensor_context(
            self.instance,
            cursor=self.cursor,
            repository_def=repository,
            resources=repository.get_top_level_resources(),
        ) as context:
            result = repository.get_sensor_def(self.sensor).evaluate_tick(context)
        self.cursor = result.cursor
        return result

    def skips(self) -> bool:
        return not self.tick().run_requests

    def requested(self) -> set[str]:
        """The tables of the one run that the sensor requests, under a key that Dagster has not seen."""
        (request,) = self.tick().run_requests
        assert request.run_key not in self.keys
        self.keys.add(request.run_key)
        return {key.to_user_string() for key in request.asset_selection}
