"""Each check, seen to fail for what it is there for."""
