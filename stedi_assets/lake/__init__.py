"""The lake: its folders, its Iceberg catalog, and how tables in it are staged, published and read."""
