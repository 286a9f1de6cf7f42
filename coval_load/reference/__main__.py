"""`python -m coval_load.reference`: a reference agent as a process of its own."""

from coval_load.reference.command import reference_agent

if __name__ == "__main__":
    reference_agent(prog_name="python -m coval_load.reference")
