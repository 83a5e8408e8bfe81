"""What every table must hold to: pandera models, and what is derived from them."""
