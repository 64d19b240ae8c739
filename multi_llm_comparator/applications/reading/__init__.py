"""Documents of others as pieces of text and tables that know their place."""
