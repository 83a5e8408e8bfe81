"""Tests of the landing layer."""
