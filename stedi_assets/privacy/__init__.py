"""Privacy: who a person is in the lake, what the lake has of the person, pseudonyms, and erasure."""
