"""Tests of ``stedi_assets.verification``."""
