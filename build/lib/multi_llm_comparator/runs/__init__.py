"""The life of everything long: started, watched, stopped, found again, resumed, deleted."""
