"""Text of landing files to typed rows: what is a record, what is in it, and what a Spark task does with it.

Everything here travels to Spark's workers by value, where this package is not installed: it imports what every
worker has (the standard library, polars, PyArrow, fsspec) and itself, and nothing else of this package.
"""
