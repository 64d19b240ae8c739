"""The page Services: documents analysed, data explained, decisions supported."""
