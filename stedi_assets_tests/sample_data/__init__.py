"""Tests of the sample lake."""
