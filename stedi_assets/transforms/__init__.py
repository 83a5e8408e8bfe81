"""Pure functions from frames to frames: what each table means, in PySpark alone."""
