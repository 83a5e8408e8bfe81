"""Verification of a lake: its promises looked at again, by another engine and another way than runs take."""
