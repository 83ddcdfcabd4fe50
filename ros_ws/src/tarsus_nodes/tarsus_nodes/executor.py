# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A single-threaded executor for nodes with fast topics.

rclpy's own builds a new wait set, asks every entity of the node for its callback group, and wakes itself up twice, for
each message. At 400 messages a second that takes most of a small processor's core. This one gathers the entities once,
until a node says that they have changed, and takes everything that is ready before it waits again.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

from rclpy.context import Context
from rclpy.event_handler import EventHandler
from rclpy.exceptions import InvalidHandle
from rclpy.executors import ExternalShutdownException, ShutdownException, SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.subscription import Subscription

FOREVER = -1
EVENTS_S = 0.5
"""s between two looks at QoS events (a publisher that cannot match, and the like), which are warnings: every publisher
and subscription has some, and they would be half of what a turn costs"""


class FastExecutor(SingleThreadedExecutor):
    """As rclpy's SingleThreadedExecutor, for ``spin_while`` and ``spin_once``; its other ways to spin stay as they are.

    Callbacks run one after the other in the order timers, subscriptions, guard conditions, clients, services, QoS
    events; events come with the first turn after each ``EVENTS_S``. A coroutine callback runs as a task.
    """

    def __init__(self, *, context: Context | None = None) -> None:
        """Wait on nothing yet."""
        super().__init__(context=context)
        self._tasks: list[Any] = []
        self._held = ExitStack()
        self._entities: _Entities | None = None
        self._events_due_s = 0.0

    def spin_while(self, go_on: Callable[[], bool]) -> None:
        """Run callbacks while ``go_on()``; whoever makes it false calls ``wake``. What a callback raises comes out."""
        try:
            while go_on() and self._context.ok() and not self._is_shutdown:
                self._turn()
        finally:
            self._let_go()

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Run all that is ready, after waiting for it at most so long (None: as long as it takes)."""
        if self._context.ok() and not self._is_shutdown:
            self._turn(FOREVER if timeout_sec is None else max(0, round(timeout_sec * 1e9)))

    def shutdown(self, timeout_sec: float | None = None) -> bool:
        """Stop, and let go of every entity."""
        self._let_go()
        return bool(super().shutdown(timeout_sec))

    def _turn(self, timeout_ns: int = FOREVER) -> None:
        self._run_tasks()
        entities = self._entities or self._gather()
        events = time.monotonic() >= self._events_due_s
        if events:
            self._events_due_s = time.monotonic() + EVENTS_S
        try:
            wait_set = entities.fill(events)
        except InvalidHandle:  # of what was destroyed since the last turn; its guard condition has not been seen yet
            self._let_go()
            entities = self._gather()
            wait_set = entities.fill(events)
        wait_set.wait(timeout_ns)
        if self._is_shutdown:
            raise ShutdownException
        if not self._context.ok():
            raise ExternalShutdownException
        guards = wait_set.get_ready_entities("guard_condition")
        self._run(entities, wait_set, guards)
        self._run_waitables(entities.waitables, wait_set)
        if events:
            self._run_waitables(entities.events, wait_set)
        if self._guard is not None and self._guard.handle.pointer in guards:
            self._let_go()  # an entity came or went, or a task did

    def _run(self, entities: _Entities, wait_set: Any, guards: list[int]) -> None:
        """Take and run all that is ready; an entity that is destroyed meanwhile is left out."""
        timers = wait_set.get_ready_entities("timer")
        for timer in entities.ready("timers", timers):
            if timer.handle.is_timer_ready():
                timer.handle.call_timer()
                self._call(timer.callback)
        subscriptions = wait_set.get_ready_entities("subscription")
        for subscription in entities.ready("subscriptions", subscriptions):
            taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
            if taken is not None:
                plain = subscription._callback_type is Subscription.CallbackType.MessageOnly
                self._call(subscription.callback, *(taken[:1] if plain else taken))
        for guard in entities.ready("guards", guards):
            self._call(guard.callback)
        for client in entities.ready("clients", wait_set.get_ready_entities("client")):
            self._answer(client)
        for service in entities.ready("services", wait_set.get_ready_entities("service")):
            request, header = service.handle.service_take_request(service.srv_type.Request)
            if header is not None:
                service.send_response(self._call(service.callback, request, service.srv_type.Response()), header)

    def _run_waitables(self, waitables: list[Any], wait_set: Any) -> None:
        for waitable in waitables:
            if waitable.is_ready(wait_set):
                try:
                    data = waitable.take_data()
                except InvalidHandle:  # a callback of this turn has destroyed it
                    continue
                self._call(waitable.execute, data)

    def _answer(self, client: Any) -> None:
        header, response = client.handle.take_response(client.srv_type.Response)
        if header is not None:
            with suppress(KeyError):  # nobody waits for it any more
                future = client.get_pending_request(header.request_id.sequence_number)
                future._set_executor(self)
                future.set_result(response)

    def _call(self, callback: Callable[..., Any], *arguments: Any) -> Any:
        result = callback(*arguments)
        if inspect.iscoroutine(result):
            return self.create_task(result)
        return result

    def _run_tasks(self) -> None:
        """Run what futures and coroutines have left to do."""
        with self._tasks_lock:
            tasks, self._tasks = self._tasks, []
        for entry in tasks:
            task = entry[0]
            if task.done() or task.cancelled():
                continue
            task()
            if task.exception() is not None:
                raise task.exception()
            if not task.done():
                with self._tasks_lock:
                    self._tasks.append(entry)

    def _gather(self) -> _Entities:
        self._entities = _Entities(self, self._held, self._context)
        return self._entities

    def _let_go(self) -> None:
        self._entities = None
        self._held.close()


class _Entities:
    """What to wait on, held so that nothing is destroyed while the middleware waits on it."""

    KINDS = ("timers", "subscriptions", "guards", "clients", "services")

    def __init__(self, executor: Any, held: ExitStack, context: Context) -> None:
        self._executor = executor
        by_kind: dict[str, list[Any]] = {kind: [] for kind in self.KINDS}
        waitables: list[Any] = []
        for node in executor.get_nodes():
            for kind, entities in by_kind.items():
                entities += getattr(node, kind)
            waitables += node.waitables
        own = [executor._guard, executor._sigint_gc]
        for entity in [e for entities in by_kind.values() for e in entities] + own:
            held.enter_context(entity.handle)
        for waitable in waitables:
            held.enter_context(waitable)
        self.events = [w for w in waitables if isinstance(w, EventHandler)]
        self.waitables = [w for w in waitables if not isinstance(w, EventHandler)]
        self._by_kind = {kind: {e.handle.pointer: e for e in entities} for kind, entities in by_kind.items()}
        handles = {kind: [e.handle for e in entities] for kind, entities in by_kind.items()}
        handles["guards"] += [guard.handle for guard in own]
        counts = {kind: len(entries) for kind, entries in handles.items()} | {"events": 0}
        for waitable in waitables:
            number = waitable.get_num_entities()
            counts["timers"] += number.num_timers
            counts["subscriptions"] += number.num_subscriptions
            counts["guards"] += number.num_guard_conditions
            counts["clients"] += number.num_clients
            counts["services"] += number.num_services
            counts["events"] += number.num_events
        held.enter_context(context.handle)
        self._wait_set = wait_set = rclpy_implementation.WaitSet(
            *(counts[kind] for kind in ("subscriptions", "guards", "timers", "clients", "services", "events")),
            context.handle,
        )
        self._adders = [
            *((wait_set.add_timer, handle) for handle in handles["timers"]),
            *((wait_set.add_subscription, handle) for handle in handles["subscriptions"]),
            *((wait_set.add_guard_condition, handle) for handle in handles["guards"]),
            *((wait_set.add_client, handle) for handle in handles["clients"]),
            *((wait_set.add_service, handle) for handle in handles["services"]),
        ]

    def fill(self, events: bool) -> Any:
        """Return the wait set, ready to wait, with the QoS events if asked for."""
        wait_set = self._wait_set
        wait_set.clear_entities()
        for add, handle in self._adders:
            add(handle)
        for waitable in [*self.waitables, *self.events] if events else self.waitables:
            waitable.add_to_wait_set(wait_set)
        return wait_set

    def ready(self, kind: str, pointers: list[int]) -> list[Any]:
        """The entities with these handles, in the order in which the node made them."""
        if not pointers:
            return []
        entities = self._by_kind[kind]
        return [entities[pointer] for pointer in entities if pointer in pointers]
