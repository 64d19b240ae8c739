"""The Measure page: what is asked of whom, how far it is, what came of it, and the answers behind each number."""
