"""The tables as Dagster assets; thin: names, dependencies, descriptions."""
