"""Tests, laid out as the package is; ``builders/`` makes their data, ``end_to_end/`` runs the whole graph."""
