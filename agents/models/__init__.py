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
from agents.models.feedback import Feedback, Verdict
from agents.models.icp import IcpSuggestion, SuggestionStatus
from agents.models.ledger import LLMBreaker, LLMBudget, LLMCall, LLMCallState, LLMMonth, LLMResponse
from agents.models.opportunities import Opportunity, OpportunityStatus, Scorecard
from agents.models.paths import IntroPath

__all__ = [
    "Agent",
    "AgentExecution",
    "AgentTrigger",
    "ExecutionStatus",
    "ExecutionStep",
    "Feedback",
    "Handoff",
    "IcpSuggestion",
    "IntroPath",
    "LLMBreaker",
    "LLMBudget",
    "LLMCall",
    "LLMCallState",
    "LLMMonth",
    "LLMResponse",
    "Mode",
    "Opportunity",
    "OpportunityStatus",
    "Scorecard",
    "SuggestionStatus",
    "Trigger",
    "Verdict",
]
