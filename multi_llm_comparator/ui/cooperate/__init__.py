"""The page Cooperate: several models, one answer, and what that was worth."""
