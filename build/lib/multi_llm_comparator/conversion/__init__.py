"""Models in other formats: a PyTorch checkpoint as GGUF, a GGUF file as a checkpoint, one quantization as another."""
