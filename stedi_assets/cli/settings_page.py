"""The page ``docs/settings.md``, made of the fields of ``Settings``. Where it is written to belongs in ``exports``."""

from __future__ import annotations

from typing import Any

from stedi_assets.settings import PREFIX, Settings

_HEAD = """# Settings

`make docs` writes this page from `stedi_assets/settings.py`: edit that module, not this page.

The settings are environment variables. A lake in a folder needs none of them; `--lake` of every command takes the
place of `STEDI_LAKE_URI`. A value that cannot be used stops a command with a sentence that names the variable.
"""
_TAIL = """## Engine

All computation is PySpark code over Spark Connect, and the tests hold the engines to the same rows.

| `STEDI_SPARK` | engine | when |
|---|---|---|
| `sail` | [Sail](https://lakesail.com), embedded in the run's process, from a wheel | one machine |
| `local[*]` | Apache Spark on this machine; needs Java 17 | to compare, or for a plan that Sail lacks |
| `spark://…`, `yarn`, `k8s://…` | Apache Spark on a cluster | the work exceeds one machine |
| `sc://…` | any Spark Connect server; `stedi spark-defaults` prints its settings | one is up already |

Spark's executors need Python with numpy, polars, PyArrow and fsspec (on S3 also s3fs). They do not need this package:
the reader of landing files travels with the job.

## What others read

- **AWS**: credentials, region and endpoint come from the standard AWS variables and files. Set the region: without it
  every start looks the region up, which takes seconds.
- **Another Iceberg catalog** (REST, Hive) is used if PyIceberg's own configuration describes one named `stedi`.
- **Dagster**: `DAGSTER_HOME` is the folder of the instance's `dagster.yaml`. Without it the history of a lake in
  a folder is in `.dagster/` beside that folder.
- **Spark**: a cluster's own settings come from its `spark-defaults.conf`.
"""


def settings_page() -> str:
    """The text of the page."""
    table = ["| variable | type | default | meaning |", "|---|---|---|---|"]
    table += [_row(name, field) for name, field in Settings.model_json_schema()["properties"].items()]
    return "\n".join([_HEAD, *table, "", _TAIL])


def _row(name: str, field: dict[str, Any]) -> str:
    default = "none" if field["default"] is None else f"`{str(field['default']).lower()}`"
    return f"| `{PREFIX}{name.upper()}` | {_kind(field)} | {default} | {field['description']} |"


def _kind(field: dict[str, Any]) -> str:
    """What may be set, in words."""
    # Where a value may be absent, what a value may be is the first of two choices.
    kind = field["anyOf"][0] if "anyOf" in field else field
    if "enum" in kind:
        return " or ".join(f"`{choice}`" for choice in kind["enum"])
    if kind["type"] == "boolean":
        return "`true` or `false`"
    if kind["type"] == "integer":
        return f"whole number, {kind['minimum']} or more"
    if kind["type"] == "number":
        return f"number, {kind['minimum']:g} to {kind['maximum']:g}"
    if kind.get("writeOnly"):
        return (
            f"secret text of {kind['minLength']} characters or more" if "minLength" in kind else "secret text"
        )
    return f"text that matches `{kind['pattern']}`" if "pattern" in kind else "text"
