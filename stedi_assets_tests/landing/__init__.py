"""Landing: from files in a folder to landing and quarantine tables, and the ledger."""
