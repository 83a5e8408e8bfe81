"""The STEDI lakehouse: eight tables of consented Step Trainer data, as Dagster assets computed in PySpark."""
