"""The HTTP API: OpenAI's form, Anthropic's and Ollama's, over everything that can answer."""
