"""The STEDI lakehouse: eight tables of consented Step Trainer data, as Dagster assets computed in PySpark."""

import os

# Sail, Arrow and polars free what a batch took, and take as much for the next. Their allocators (mimalloc, and jemalloc
# for polars) would give it back to the system in between, after 10 and 500 ms, and every page would be fetched again,
# zeroed. They look here when they are loaded.
os.environ.setdefault("MIMALLOC_PURGE_DELAY", "10000")
os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:10000")
