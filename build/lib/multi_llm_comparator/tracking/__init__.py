"""The run store: everything that outlives a page, in SQL."""
