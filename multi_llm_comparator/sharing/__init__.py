"""Runs for others: a bundle that can be run again elsewhere, and links that show one run to whoever has them."""
