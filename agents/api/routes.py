"""The routes of the agents, below /api/v1/."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from agents.api.agents import AgentViewSet
from agents.api.drafts import DraftViewSet
from agents.api.executions import ExecutionViewSet
from agents.api.feedback import FeedbackViewSet
from agents.api.kinds import KindsView
from agents.api.opportunities import OpportunityViewSet, ScorecardViewSet
from agents.api.paths import IntroPathViewSet
from agents.api.reports import ReportViewSet
from agents.api.stats import StatsView
from agents.api.suggestions import IcpSuggestionViewSet
from agents.api.suppressions import SuppressionViewSet
from agents.api.usage import BudgetView, UsageView

router = SimpleRouter()
router.register("agents", AgentViewSet, basename="agent")
router.register("drafts", DraftViewSet, basename="draft")
router.register("executions", ExecutionViewSet, basename="execution")
router.register("feedback", FeedbackViewSet, basename="feedback")
router.register("icp-suggestions", IcpSuggestionViewSet, basename="icp-suggestion")
router.register("intro-paths", IntroPathViewSet, basename="intro-path")
router.register("opportunities", OpportunityViewSet, basename="opportunity")
router.register("reports", ReportViewSet, basename="report")
router.register("scorecards", ScorecardViewSet, basename="scorecard")
router.register("suppressions", SuppressionViewSet, basename="suppression")

urlpatterns = [
    path("agents/kinds/", KindsView.as_view(), name="agent-kinds"),  # before the router, to which it would be an id
    path("agents/stats/", StatsView.as_view(), name="agent-stats"),
    *router.urls,
    path("usage/", UsageView.as_view(), name="usage"),
    path("usage/budget/", BudgetView.as_view(), name="usage-budget"),
]
