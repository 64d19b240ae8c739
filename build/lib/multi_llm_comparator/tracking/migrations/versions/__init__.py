"""One file per step; never edit one that was released."""
