"""Tests of a lake on S3, against a server process."""
