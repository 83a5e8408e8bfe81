"""Builders of test data: rows, files delivered, lakes, and the graph run on them."""
