"""The command ``stedi``."""
