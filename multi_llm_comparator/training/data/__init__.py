"""Training data: read in whatever form it comes, cleaned where one can see it, split and checked for contamination."""
