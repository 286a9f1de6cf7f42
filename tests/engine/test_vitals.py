import attrs
import pytest

from coval_load.engine.evidence import Evidence
from coval_load.engine.verdict import verdict
from coval_load.engine.vitals import Used, Vitals


def generator(**vitals):
    return verdict(Evidence(vitals=Vitals(**vitals)))


def test_of_each_figure_the_worse_process_counts():
    vitals = Vitals(
        watched_s=10.0,
        cpu_s=9.5,
        cpu_wait_s=0.1,
        gc_s=0.2,
        busiest_cpu_share=0.96,
        rss_bytes=500,
        max_rss_bytes=900,
        descriptors=Used(90, 100),
        ports=Used(1, 100),
    )
    vitals.merge(
        generator(
            watched_s=100.0,
            cpu_s=50.0,
            cpu_wait_s=30.0,
            throttled_s=5.0,
            gc_s=1.0,
            busiest_cpu_share=0.7,
            rss_bytes=600,
            max_rss_bytes=800,
            descriptors=Used(95, 1000),
            ports=Used(50, 100),
        )
    )
    shares = (vitals.cpu_share, vitals.cpu_wait_share, vitals.throttled_share, vitals.gc_share)
    assert shares == pytest.approx((0.95, 0.3, 0.05, 0.02))
    assert (vitals.watched_s, vitals.busiest_cpu_share) == (100.0, 0.96)
    assert (vitals.rss_bytes, vitals.max_rss_bytes) == (600, 900)
    assert (vitals.descriptors, vitals.ports) == (Used(90, 100), Used(50, 100))


def test_a_process_that_knows_nothing_changes_nothing():
    vitals = Vitals(watched_s=10.0, cpu_s=5.0, cpu_wait_s=1.0, rss_bytes=5, ports=Used(3, 4))
    before = attrs.evolve(vitals)
    vitals.merge(generator())
    assert vitals == before


def test_what_neither_process_knows_stays_unknown():
    vitals = Vitals()
    vitals.merge(generator(watched_s=5.0))
    assert (vitals.cpu_wait_s, vitals.throttled_s, vitals.rss_bytes, vitals.ports) == (None, None, None, Used())
    assert vitals.watched_s == 5.0


@pytest.mark.parametrize(
    ("known", "now", "kept"),
    [
        (Used(), (5, 10), Used(5, 10)),
        (Used(5, 10), (None, 10), Used(5, 10)),
        (Used(5, 10), (6, 10), Used(6, 10)),
        (Used(5, 10), (6, 100), Used(5, 10)),
        (Used(5, None), (4, None), Used(5, None)),
        (Used(5, None), (6, None), Used(6, None)),
        (Used(), (0, None), Used(0, None)),
    ],
)
def test_what_came_closest_to_its_limit_is_kept(known, now, kept):
    assert known.or_worse(*now) == kept
