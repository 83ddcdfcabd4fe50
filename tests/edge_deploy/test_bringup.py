# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Bringing up and down: the order, one transition at a time, all or nothing."""

from __future__ import annotations

import pytest

from tarsus_edge.bringup import Aim, Bringup, Stage, Transition

UNCONFIGURED, INACTIVE, ACTIVE, LOST = Stage.UNCONFIGURED, Stage.INACTIVE, Stage.ACTIVE, Stage.LOST
AFTER = {"configure": INACTIVE, "activate": ACTIVE, "deactivate": INACTIVE, "cleanup": UNCONFIGURED}


def carry_out(bringup: Bringup, stages: dict[str, Stage], most: int = 20) -> list[str]:
    """Do what is asked for, as nodes that obey, until nothing is asked for."""
    done = []
    for _ in range(most):
        transition = bringup.next(stages)
        if transition is None:
            return done
        stages[transition.node] = AFTER[transition.name]
        done.append(f"{transition.name} {transition.node}")
        bringup.look(stages)
    raise AssertionError(done)


def started() -> tuple[Bringup, dict[str, Stage]]:
    bringup = Bringup(["driver", "policy"])
    stages = {"driver": UNCONFIGURED, "policy": UNCONFIGURED}
    bringup.start()
    carry_out(bringup, stages)
    assert bringup.up(stages)
    return bringup, stages


def test_order_is_kept_up_and_reversed_down() -> None:
    bringup = Bringup(["driver", "policy"])
    stages = {"driver": UNCONFIGURED, "policy": UNCONFIGURED}
    assert carry_out(bringup, stages) == [], "nothing is asked for before the start"
    bringup.start()
    assert carry_out(bringup, stages) == ["configure driver", "activate driver", "configure policy", "activate policy"]
    bringup.stop()
    assert carry_out(bringup, stages) == ["deactivate policy", "cleanup policy", "deactivate driver", "cleanup driver"]
    assert not bringup.up(stages)


def test_a_node_that_is_not_there_yet_holds_up_those_after_it() -> None:
    bringup = Bringup(["driver", "policy"])
    bringup.start()
    stages = {"driver": LOST, "policy": UNCONFIGURED}
    assert bringup.next(stages) is None
    assert bringup.look(stages) == "", "what never was there is not lost"
    stages["driver"] = UNCONFIGURED
    assert bringup.next(stages) == Transition("driver", "configure")


@pytest.mark.parametrize("how", [LOST, UNCONFIGURED, INACTIVE])
def test_a_lost_node_resets_everything_once_it_is_back(how: Stage) -> None:
    """Killed or hanging, started anew, or taken down by somebody else."""
    bringup, stages = started()
    stages["policy"] = how
    said = bringup.look(stages)
    assert said == f"The node 'policy' was active and is {how.value}: everything starts anew."
    assert bringup.look(stages) == "", "it is said once"
    assert bringup.aim is Aim.RESET
    if how is LOST:
        assert bringup.next(stages) is None, "the others go on while it is away"
        stages["policy"] = UNCONFIGURED
    done = carry_out(bringup, stages)
    assert done[-4:] == ["configure driver", "activate driver", "configure policy", "activate policy"]
    assert "deactivate driver" in done and "cleanup driver" in done
    assert bringup.up(stages)
    assert bringup.recoveries == 1


def test_a_failed_transition_takes_all_down_for_good() -> None:
    bringup = Bringup(["driver", "policy"])
    stages = {"driver": ACTIVE, "policy": UNCONFIGURED}
    bringup.start()
    transition = bringup.next(stages)
    assert transition == Transition("policy", "configure")
    bringup.failed(transition, "it has said why.")
    assert bringup.fault == "The node 'policy' could not configure: it has said why."
    assert carry_out(bringup, stages) == ["deactivate driver", "cleanup driver"]
    assert bringup.next(stages) is None
    bringup.start()
    assert bringup.fault == ""
    assert bringup.next(stages) == Transition("driver", "configure")


def test_a_failure_on_the_way_down_does_not_hide_why() -> None:
    bringup, stages = started()
    bringup.failed(Transition("policy", "activate"), "first.")
    bringup.failed(Transition("driver", "deactivate"), "second.")
    assert "first." in bringup.fault
    assert stages["driver"] is ACTIVE


def test_taken_down_on_purpose_is_not_lost() -> None:
    bringup, stages = started()
    bringup.stop()
    carry_out(bringup, stages)
    assert bringup.look(stages) == ""
    bringup.start()
    carry_out(bringup, stages)
    assert bringup.recoveries == 0


def test_to_start_while_a_lost_node_is_away_changes_nothing() -> None:
    bringup, stages = started()
    stages["policy"] = LOST
    fault = bringup.look(stages)
    bringup.start()
    assert bringup.aim is Aim.RESET and bringup.fault == fault
    stages["policy"] = UNCONFIGURED
    assert carry_out(bringup, stages)[:2] == ["deactivate driver", "cleanup driver"], "all or nothing"


def test_a_node_that_does_not_go_down_is_asked_once() -> None:
    bringup, stages = started()
    bringup.stop()
    stages["policy"] = UNCONFIGURED
    transition = bringup.next(stages)
    assert transition == Transition("driver", "deactivate")
    bringup.failed(transition, "it has said why.")
    assert bringup.next(stages) is None
    bringup.stop()
    assert bringup.next(stages) == transition, "who asks anew is obeyed"
