"""Landing: which files there are, how they are read by Spark, and the ledger of what was read."""
