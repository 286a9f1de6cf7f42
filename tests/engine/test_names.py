import socket

import attrs
import pytest
import trio
from trio.testing import MockClock

from coval_load.engine.names import Address, Resolver
from coval_load.engine.outcome import ErrorKind, SimulationFailed


@attrs.define
class Names(trio.abc.HostnameResolver):
    """A name service that takes two seconds; `found` are its answers, one after another."""

    found: list
    asked: list = attrs.field(factory=list)

    async def getaddrinfo(self, host, port, family=0, type=0, proto=0, flags=0):  # noqa: A002
        self.asked.append((host.decode(), port))
        await trio.sleep(2)
        answer = self.found[min(len(self.asked), len(self.found)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return [(socket.AF_INET6 if ":" in ip else socket.AF_INET, type, 6, "", (ip, port)) for ip in answer]

    async def getnameinfo(self, sockaddr, flags):
        raise NotImplementedError


def ask(*found):
    names = Names(list(found))
    trio.socket.set_custom_hostname_resolver(names)
    return names


UNKNOWN = socket.gaierror(socket.EAI_NONAME, "Name or service not known")


async def test_addresses_in_the_order_of_the_name_service_each_once(autojump_clock):
    ask(["192.0.2.1", "2001:db8::1", "192.0.2.1"])
    assert await Resolver().resolve("agent.example", 443) == [
        Address(socket.AF_INET, "192.0.2.1", 443),
        Address(socket.AF_INET6, "2001:db8::1", 443),
    ]


@pytest.mark.parametrize(("host", "family"), [("192.0.2.7", socket.AF_INET), ("2001:db8::7", socket.AF_INET6)])
async def test_an_address_needs_no_look_up(autojump_clock, host, family):
    names = ask(["192.0.2.1"])
    assert await Resolver().resolve(host, 80) == [Address(family, host, 80)]
    assert names.asked == []


async def test_a_thousand_callers_ask_once(autojump_clock):
    names = ask(["192.0.2.1"])
    resolver, got = Resolver(), []

    async def caller():
        got.append(await resolver.resolve("agent.example", 443))

    async with trio.open_nursery() as nursery:
        for _ in range(1000):
            nursery.start_soon(caller)
    assert len(got) == 1000
    assert names.asked == [("agent.example", 443)]
    assert trio.current_time() == pytest.approx(2)


async def test_two_hosts_do_not_wait_for_each_other(autojump_clock):
    names = ask(["192.0.2.1"])
    resolver = Resolver()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(resolver.resolve, "one.example", 443)
        nursery.start_soon(resolver.resolve, "two.example", 443)
    assert len(names.asked) == 2
    assert trio.current_time() == pytest.approx(2)


async def test_an_answer_is_kept_for_a_while_and_not_for_ever(autojump_clock):
    names = ask(["192.0.2.1"], ["192.0.2.2"])
    resolver = Resolver()
    await resolver.resolve("agent.example", 443)
    await trio.sleep(50)
    (kept,) = await resolver.resolve("agent.example", 443)
    assert (kept.ip, len(names.asked)) == ("192.0.2.1", 1)
    await trio.sleep(15)
    (new,) = await resolver.resolve("agent.example", 443)
    assert (new.ip, len(names.asked)) == ("192.0.2.2", 2)


async def test_a_failure_is_told_to_all_who_wait_and_not_kept(autojump_clock):
    """Else a thousand callers would wait for a thousand look-ups, one after another."""
    names = ask(UNKNOWN, ["192.0.2.1"])
    resolver, failures = Resolver(), []

    async def caller():
        with pytest.raises(SimulationFailed) as caught:
            await resolver.resolve("agent.example", 443)
        failures.append(caught.value)

    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(caller)
    assert {failure.kind for failure in failures} == {ErrorKind.DNS_FAILED}
    assert len({id(failure) for failure in failures}) == 50
    assert "Name or service not known" in failures[0].message
    assert len(names.asked) == 1
    assert trio.current_time() == pytest.approx(2)
    (found,) = await resolver.resolve("agent.example", 443)
    assert found.ip == "192.0.2.1"


async def test_who_gives_up_leaves_the_look_up_to_the_next(autojump_clock):
    ask(["192.0.2.1"])
    resolver, got = Resolver(), []

    async def impatient():
        with trio.move_on_after(1):
            await resolver.resolve("agent.example", 443)

    async def patient():
        await trio.sleep(0.5)
        got.extend(await resolver.resolve("agent.example", 443))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(impatient)
        nursery.start_soon(patient)
    assert [address.ip for address in got] == ["192.0.2.1"]


async def test_one_private_address_is_enough_to_refuse(autojump_clock):
    ask(["192.0.2.1", "10.0.0.1"])
    with pytest.raises(SimulationFailed, match=r"agent\.example.*10\.0\.0\.1") as caught:
        await Resolver(lambda ip: ip.startswith("10.")).resolve("agent.example", 443)
    assert caught.value.kind is ErrorKind.DNS_FAILED


@pytest.mark.parametrize("host", ["x" * 64 + ".example", "a..b", "\u2488com", "nobody.invalid"])
def test_names_that_can_not_be(host):
    async def main():
        with pytest.raises(SimulationFailed, match=r"expected .* to resolve to an address") as caught:
            await Resolver().resolve(host, 443)
        assert caught.value.kind is ErrorKind.DNS_FAILED

    trio.run(main)


def test_out_of_descriptors_is_a_fault_of_this_machine():
    async def main():
        ask(OSError(24, "Too many open files"))
        with pytest.raises(SimulationFailed, match="Too many open files") as caught:
            await Resolver().resolve("agent.example", 443)
        assert caught.value.kind is ErrorKind.INTERNAL

    trio.run(main, clock=MockClock(autojump_threshold=0))
