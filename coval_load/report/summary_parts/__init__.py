"""The parts of the printed summary, each a file: what it shows, and when it shows nothing."""
