"""Making models: tuning by LoRA."""
