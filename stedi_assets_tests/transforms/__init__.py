"""Tests of stedi_assets.transforms."""
