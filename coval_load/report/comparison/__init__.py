"""Two runs held against each other: what changed, and whether by more than chance changes it."""
