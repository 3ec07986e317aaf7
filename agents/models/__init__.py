"""Agents, what they did, what it cost, and what they found."""

from agents.models.agents import (
    Agent,
    AgentExecution,
    AgentTrigger,
    ExecutionStatus,
    ExecutionStep,
    Handoff,
    Mode,
    Trigger,
)
from agents.models.drafts import Draft, DraftChannel, DraftStatus, DraftVersion
from agents.models.feedback import Feedback, Judged, Verdict
from agents.models.icp import IcpSuggestion, SuggestionStatus
from agents.models.ledger import LLMBreaker, LLMBudget, LLMCall, LLMCallState, LLMMonth, LLMResponse
from agents.models.opportunities import Opportunity, OpportunityStatus, Scorecard
from agents.models.paths import IntroPath
from agents.models.reports import (
    Depth,
    ReportSection,
    ReportStatus,
    ResearchMonth,
    ResearchReport,
    ResearchSection,
    SectionName,
    SectionStatus,
)
from agents.models.suppression import Suppression, SuppressionKind, SuppressionReason

__all__ = [
    "Agent",
    "AgentExecution",
    "AgentTrigger",
    "Depth",
    "Draft",
    "DraftChannel",
    "DraftStatus",
    "DraftVersion",
    "ExecutionStatus",
    "ExecutionStep",
    "Feedback",
    "Handoff",
    "IcpSuggestion",
    "IntroPath",
    "Judged",
    "LLMBreaker",
    "LLMBudget",
    "LLMCall",
    "LLMCallState",
    "LLMMonth",
    "LLMResponse",
    "Mode",
    "Opportunity",
    "OpportunityStatus",
    "ReportSection",
    "ReportStatus",
    "ResearchMonth",
    "ResearchReport",
    "ResearchSection",
    "Scorecard",
    "SectionName",
    "SectionStatus",
    "SuggestionStatus",
    "Suppression",
    "SuppressionKind",
    "SuppressionReason",
    "Trigger",
    "Verdict",
]
