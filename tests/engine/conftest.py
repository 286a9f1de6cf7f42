"""Callers and their agents' ends on one reactor, in both of its ways of reading."""

import pytest
from agent_end import connect

from coval_load.engine.reactor import open_reactor


@pytest.fixture(params=[True, False], ids=["one-task", "a-task-each"])
async def reactor(request):
    async with open_reactor(request.param) as reactor:
        yield reactor


@pytest.fixture
def call(reactor):
    call = connect(reactor)
    yield call
    call.link.abort()
    call.agent.socket.close()


@pytest.fixture
def other(reactor):
    """Another caller on the same reactor, who must notice nothing."""
    other = connect(reactor)
    yield other
    assert other.owner.ends == []
    other.link.abort()
    other.agent.socket.close()
