"""Whether answers are right: data sets, scoring, judges, reports."""
