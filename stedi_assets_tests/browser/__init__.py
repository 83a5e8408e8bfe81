"""Tests of what people see: the Dagster UI of a sample lake, in a browser."""
