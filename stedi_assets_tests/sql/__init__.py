"""Tests of what is in ``sql/``."""
