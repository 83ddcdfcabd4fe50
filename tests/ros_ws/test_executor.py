# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The executor of the nodes: everything a node may wait on is served, and nothing piles up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
import rclpy
from helpers.domain import own_domain
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.parameter_client import AsyncParameterClient
from std_msgs.msg import String
from std_srvs.srv import Trigger

from tarsus_nodes.executor import FastExecutor


class Bench:
    """One node and its executor, which gives up after a while."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.node = Node("one", context=context)
        self.executor = FastExecutor(context=context)
        self.executor.add_node(self.node)
        self.node.create_timer(0.02, lambda: None, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def spin_until(self, condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
        end = time.monotonic() + timeout_s
        self.executor.spin_while(lambda: not condition() and time.monotonic() < end)
        assert condition(), "waited too long"


@pytest.fixture
def bench() -> Iterator[Bench]:
    with own_domain() as domain:
        context = Context()
        rclpy.init(context=context, domain_id=domain)
        made = Bench(context)
        yield made
        made.executor.shutdown()
        made.node.destroy_node()
        rclpy.shutdown(context=context)


def test_messages_come_in_order_and_all_of_them(bench: Bench) -> None:
    heard: list[str] = []
    bench.node.create_subscription(String, "words", lambda m: heard.append(m.data), 100)
    publisher = bench.node.create_publisher(String, "words", 100)
    bench.spin_until(lambda: publisher.get_subscription_count() == 1)
    for k in range(50):
        publisher.publish(String(data=str(k)))
    bench.spin_until(lambda: len(heard) == 50)
    assert heard == [str(k) for k in range(50)]


def test_a_callback_that_takes_the_message_s_info_gets_it(bench: Bench) -> None:
    seen: list[tuple[str, int]] = []

    def listen(message: String, info: object) -> None:
        seen.append((message.data, info["source_timestamp"]))

    bench.node.create_subscription(String, "words", listen, 10)
    publisher = bench.node.create_publisher(String, "words", 10)
    bench.spin_until(lambda: publisher.get_subscription_count() == 1)
    publisher.publish(String(data="a"))
    bench.spin_until(lambda: bool(seen))
    assert seen[0][0] == "a"
    assert seen[0][1] > 0


def test_a_service_answers_and_its_client_hears_it(bench: Bench) -> None:
    def answer(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = True, "done"
        return response

    bench.node.create_service(Trigger, "act", answer)
    client = bench.node.create_client(Trigger, "act")
    bench.spin_until(client.service_is_ready)
    said: list[str] = []
    client.call_async(Trigger.Request()).add_done_callback(lambda future: said.append(future.result().message))
    bench.spin_until(lambda: bool(said))
    assert said == ["done"]


def test_parameters_can_be_read_and_set_from_outside(bench: Bench) -> None:
    bench.node.declare_parameter("speed", 1.0)
    client = AsyncParameterClient(bench.node, "one")
    bench.spin_until(client.services_are_ready)
    future = client.set_parameters([Parameter("speed", value=2.0)])
    bench.spin_until(future.done)
    assert bench.node.get_parameter("speed").value == 2.0


def test_a_timer_keeps_its_period_and_a_cancelled_one_is_silent(bench: Bench) -> None:
    ticks: list[float] = []
    steady = Clock(clock_type=ClockType.STEADY_TIME)
    timer = bench.node.create_timer(0.05, lambda: ticks.append(time.monotonic()), clock=steady)
    bench.spin_until(lambda: len(ticks) == 5)
    assert ticks[-1] - ticks[0] >= 0.19
    timer.cancel()
    end = time.monotonic() + 0.2
    bench.spin_until(lambda: time.monotonic() > end)
    assert len(ticks) == 5


def test_what_is_made_while_it_spins_is_served_and_what_is_destroyed_is_not(bench: Bench) -> None:
    heard: list[str] = []
    publisher = bench.node.create_publisher(String, "late", 10)
    made = []

    def make() -> None:
        once.cancel()
        made.append(bench.node.create_subscription(String, "late", lambda m: heard.append(m.data), 10))

    once = bench.node.create_timer(0.01, make, clock=Clock(clock_type=ClockType.STEADY_TIME))
    bench.spin_until(lambda: publisher.get_subscription_count() == 1)
    publisher.publish(String(data="a"))
    bench.spin_until(lambda: heard == ["a"])
    bench.node.destroy_subscription(made[0])
    bench.spin_until(lambda: publisher.get_subscription_count() == 0)
    publisher.publish(String(data="b"))
    end = time.monotonic() + 0.1
    bench.spin_until(lambda: time.monotonic() > end)
    assert heard == ["a"]


@pytest.mark.parametrize("kind", ["publisher", "subscription"])
def test_what_is_destroyed_between_two_turns_is_let_go_whatever_the_next_looks_at(bench: Bench, kind: str) -> None:
    node = bench.node
    publisher, subscription = node.create_publisher(String, "words", 1), node.create_subscription(String, "x", print, 1)
    for _ in range(3):  # the first turns see that they came
        bench.executor.spin_once(0.1)
    if kind == "publisher":
        node.destroy_publisher(publisher)
    else:
        node.destroy_subscription(subscription)
    bench.executor._events_due_s = 0.0  # the next turn looks at QoS events, of which those of the destroyed are some
    bench.executor.spin_once(0.1)
    heard: list[str] = []
    bench.node.create_subscription(String, "others", lambda m: heard.append(m.data), 1)
    other = bench.node.create_publisher(String, "others", 1)
    bench.spin_until(lambda: other.get_subscription_count() == 1)
    other.publish(String(data="on"))
    bench.spin_until(lambda: heard == ["on"])


def test_a_guard_condition_of_another_thread_runs_here(bench: Bench) -> None:
    ran_in: list[threading.Thread] = []
    guard = bench.node.create_guard_condition(lambda: ran_in.append(threading.current_thread()))
    threading.Timer(0.05, guard.trigger).start()
    bench.spin_until(lambda: bool(ran_in))
    assert ran_in == [threading.current_thread()]


def test_a_coroutine_callback_runs_to_its_end(bench: Bench) -> None:
    ended: list[str] = []

    async def listen(message: String) -> None:
        ended.append(message.data)

    bench.node.create_subscription(String, "words", listen, 10)
    publisher = bench.node.create_publisher(String, "words", 10)
    bench.spin_until(lambda: publisher.get_subscription_count() == 1)
    publisher.publish(String(data="a"))
    bench.spin_until(lambda: ended == ["a"])


def test_what_a_callback_raises_comes_out_and_it_can_spin_on(bench: Bench) -> None:
    guard = bench.node.create_guard_condition(lambda: 1 / 0)
    guard.trigger()
    with pytest.raises(ZeroDivisionError):
        bench.spin_until(lambda: False, 5.0)
    bench.node.destroy_guard_condition(guard)
    ticks: list[int] = []
    bench.node.create_timer(0.01, lambda: ticks.append(1), clock=Clock(clock_type=ClockType.STEADY_TIME))
    bench.spin_until(lambda: bool(ticks))


def test_a_wake_from_another_thread_ends_the_wait(bench: Bench) -> None:
    for timer in list(bench.node.timers):
        bench.node.destroy_timer(timer)
    stop = threading.Event()

    def end() -> None:
        stop.set()
        bench.executor.wake()

    threading.Timer(0.1, end).start()
    start = time.monotonic()
    bench.executor.spin_while(lambda: not stop.is_set())
    assert time.monotonic() - start < 5.0


def test_spinning_once_waits_no_longer_than_told_and_serves_what_is_ready(bench: Bench) -> None:
    with own_domain() as domain:
        context = Context()
        rclpy.init(context=context, domain_id=domain)
        node = Node("quiet", context=context, start_parameter_services=False)
        executor = FastExecutor(context=context)
        executor.add_node(node)
        executor.spin_once(timeout_sec=0.0)  # the executor's own news: a node has come
        start = time.monotonic()
        executor.spin_once(timeout_sec=0.2)
        assert 0.1 < time.monotonic() - start < 2.0, "nothing happens there"
        guard = node.create_guard_condition(lambda: called.append(True))
        called: list[bool] = []
        guard.trigger()
        end = time.monotonic() + 10.0
        while not called and time.monotonic() < end:
            executor.spin_once(timeout_sec=5.0)
        assert called == [True]
        executor.shutdown()
        executor.spin_once(timeout_sec=5.0)  # ended: returns at once
        node.destroy_node()
        rclpy.shutdown(context=context)
