"""Several models, one answer: modes of cooperation as a kind of run, and what each was worth."""
