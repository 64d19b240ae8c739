"""What a plan should take: profiles of models from earlier runs, and list scheduling by them."""
