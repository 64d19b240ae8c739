"""Local models: finding them, fitting them into memory, running each in a process of its own."""
