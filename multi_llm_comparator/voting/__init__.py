"""Blind votes: whose answer is better, asked of a person, and what many such votes say of the models."""
