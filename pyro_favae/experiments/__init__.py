"""The experiments of the two papers, and what measures them."""
