"""Decision support: options, criteria with weights, hard constraints, and how far the weights may move."""
