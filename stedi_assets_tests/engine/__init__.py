"""The engine: Sail, and Apache Spark in processes of its own."""
