"""A Spark session on Sail or on Apache Spark, and what an engine must be told to use it."""
