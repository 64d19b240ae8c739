"""Document analysis: claims with quotes that are there."""
