"""Tasks: questions with known answers, asked and scored as the field does it."""
