"""Apache Spark in processes of its own: a cluster, a Connect server, S3."""
