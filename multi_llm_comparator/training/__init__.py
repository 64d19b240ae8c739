"""Making models: export to GGUF."""
