"""Who takes which simulation: agents in turn, and each agent's share to its test cases and personas in order."""

import attrs


@attrs.frozen
class Deal:
    """Indices into a plan's agents, test cases and personas."""

    agent: int
    test_case: int
    persona: int


def deal(number: int, *, agents: int, test_cases: int, personas: int) -> Deal:
    """What simulation `number` (from 0) is: dealt in turn, starting over at the end of each list."""
    share, agent = divmod(number, agents)
    return Deal(agent, share % test_cases, share % personas)
