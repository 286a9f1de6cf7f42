"""Load tests for conversational AI agents: thousands of simulated callers, and the truth about what they saw."""

__version__ = "0.1.0"
