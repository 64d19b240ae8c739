"""Services on documents, data and decisions: what code can do it does, and what a model says is checked."""
