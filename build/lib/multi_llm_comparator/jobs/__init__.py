"""Runs that are processes: tunings and other long work, which the pages start, watch, stop and resume."""
