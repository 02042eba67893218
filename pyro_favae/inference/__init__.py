"""q: everything that learns."""
