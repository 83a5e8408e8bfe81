"""Tests of stedi_assets.contracts."""
