"""The live terminal: a screen that says each half second how a run goes."""
