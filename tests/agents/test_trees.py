"""What an execution led to."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from agents.handoffs import HandoffSpec, set_handoffs
from agents.models import AgentExecution, ExecutionStep
from agents.services import delete_agent
from agents.trees import tree_of
from oppspot.organizations.models import Organization
from tests.agents.factories import execute, make_agent, queue_execution
from tests.factories import make_business

pytestmark = pytest.mark.django_db


def test_a_tree(org_a: Organization, django_assert_num_queries: Any) -> None:
    first, second, third = (make_agent(org_a, name=name) for name in ("First", "Second", "Third"))
    set_handoffs(agent=first, handoffs=[HandoffSpec(second.pk, max_subjects=2)])
    set_handoffs(agent=second, handoffs=[HandoffSpec(third.pk)])
    root = execute(first, companies=[str(make_business().pk) for _ in range(2)])
    execute(first)  # a tree of its own
    executions = AgentExecution.objects.for_org(org_a).filter(root_id=root.pk)
    executions.update(cost=Decimal("0.1"), tokens_used=7, api_calls=1)
    leaf = executions.filter(agent=third).latest("pk")
    now = timezone.now()
    executions.filter(pk=root.pk).update(created_at=now - timedelta(seconds=90))
    executions.filter(pk=leaf.pk).update(completed_at=now)
    leaf = executions.select_related("org").get(pk=leaf.pk)
    with django_assert_num_queries(2):
        tree = tree_of(leaf)
    names = [(node.execution.agent.name, node.execution.depth, node.steps) for node in tree.nodes]
    assert names == [("First", 0, 2), ("Second", 1, 2), ("Third", 2, 2), ("Second", 1, 2), ("Third", 2, 2)]
    by_id = {node.execution.pk: node for node in tree.nodes}
    assert [by_id[pk].execution.agent for pk in by_id[root.pk].children] == [second, second]
    assert by_id[leaf.pk].children == ()
    assert (tree.root_id, tree.has_ended, tree.failures, tree.wall_ms) == (root.pk, True, 0, 90_000)
    assert (tree.cost, tree.tokens_used, tree.api_calls, tree.items_processed) == (Decimal("0.5"), 35, 5, 6)
    assert ExecutionStep.objects.for_org(org_a).count() == 12


def test_a_tree_that_is_worked_on(org_a: Organization) -> None:
    execution = queue_execution(make_agent(org_a))
    AgentExecution.objects.for_org(org_a).update(created_at=timezone.now() - timedelta(seconds=60))
    tree = tree_of(execution)
    assert (tree.has_ended, len(tree.nodes), tree.cost) == (False, 1, Decimal(0))
    assert 60_000 <= tree.wall_ms < 70_000
    failed = execute(make_agent(org_a), ending="permanent")
    assert tree_of(failed).failures == 1


def test_a_tree_whose_root_is_deleted(org_a: Organization) -> None:
    first, second = make_agent(org_a), make_agent(org_a)
    set_handoffs(agent=first, handoffs=[HandoffSpec(second.pk)])
    execute(first, companies=[str(make_business().pk)])
    delete_agent(agent=first)
    child = AgentExecution.objects.for_org(org_a).get()
    tree = tree_of(child)
    assert [node.execution.pk for node in tree.nodes] == [child.pk]
    assert tree.root_id != child.pk
