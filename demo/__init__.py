"""What builds the demo models: their world, their tokenizer, their training and their measurement."""
