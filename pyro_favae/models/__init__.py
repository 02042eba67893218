"""p: the generative story. Nothing here learns."""
