"""The admin's side bar."""

from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from django.http import HttpRequest
from django.urls import reverse

from signals_app.admin import waiting_for_review

REVIEW_QUEUE = "admin:signals_app_buyingsignal_changelist?status=review"


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Sections of links; a link is shown to those who may open it."""
    user = request.user
    sections = [
        ("Companies", [
            ("Search by meaning", "search", "admin:embeddings_search", "businesses.view_business"),
            ("Companies", "domain", "admin:businesses_business_changelist", "businesses.view_business"),
            ("Events", "timeline", "admin:businesses_businessevent_changelist", "businesses.view_businessevent"),
            ("SIC codes", "category", "admin:businesses_siccode_changelist", "businesses.view_siccode"),
            ("Embedding models", "model_training", "admin:embeddings_embeddingmodel_changelist",
             "embeddings.view_embeddingmodel"),
        ]),
        ("Watching", [
            ("Watchlists", "visibility", "admin:businesses_watchlist_changelist", "businesses.view_watchlist"),
            ("Own events", "edit_note", "admin:businesses_orgevent_changelist", "businesses.view_orgevent"),
            ("Sources", "rss_feed", "businesses_sources", "businesses.view_sourcepull"),
            ("Pulls", "download", "admin:businesses_sourcepull_changelist", "businesses.view_sourcepull"),
            ("Feeds", "newspaper", "admin:businesses_feed_changelist", "businesses.view_feed"),
        ]),
        ("Signals", [
            ("Who is moving", "local_fire_department", "admin:signals_app_businessscore_changelist",
             "signals_app.view_businessscore"),
            ("Signals", "sensors", "admin:signals_app_buyingsignal_changelist", "signals_app.view_buyingsignal"),
            ("Review queue", "rule_folder", REVIEW_QUEUE, "signals_app.change_buyingsignal"),
            ("Competitors", "swords", "admin:signals_app_competitor_changelist", "signals_app.view_competitor"),
            ("Trust in sources", "verified", "admin:signals_app_sourcereliability_changelist",
             "signals_app.view_sourcereliability"),
            ("Detection passes", "radar", "admin:signals_app_detectionpass_changelist",
             "signals_app.view_detectionpass"),
        ]),
        ("Alerts", [
            ("Alerts", "notifications", "admin:signals_app_alert_changelist", "signals_app.view_alert"),
            ("Deliveries", "outgoing_mail", "admin:signals_app_delivery_changelist", "signals_app.view_delivery"),
            ("Rules", "rule", "admin:signals_app_alertrule_changelist", "signals_app.view_alertrule"),
            ("Channels", "campaign", "admin:signals_app_channel_changelist", "signals_app.view_channel"),
        ]),
        ("Agents", [
            ("Agents", "smart_toy", "admin:agents_agent_changelist", "agents.view_agent"),
            ("Executions", "play_lesson", "admin:agents_agentexecution_changelist", "agents.view_agentexecution"),
            ("Opportunities", "lightbulb", "admin:agents_opportunity_changelist", "agents.view_opportunity"),
            ("Scorecards", "leaderboard", "admin:agents_scorecard_changelist", "agents.view_scorecard"),
            ("Introduction paths", "handshake", "admin:agents_intropath_changelist", "agents.view_intropath"),
            ("Reports", "article", "admin:agents_researchreport_changelist", "agents.view_researchreport"),
            ("Drafts", "drafts", "admin:agents_draft_changelist", "agents.view_draft"),
            ("Do not contact", "block", "admin:agents_suppression_changelist", "agents.view_suppression"),
            ("Suggested profiles", "model_training", "admin:agents_icpsuggestion_changelist",
             "agents.view_icpsuggestion"),
            ("Calls of models", "payments", "admin:agents_llmcall_changelist", "agents.view_llmcall"),
            ("Budgets", "savings", "admin:agents_llmbudget_changelist", "agents.view_llmbudget"),
            ("Spent by month", "calendar_month", "admin:agents_llmmonth_changelist", "agents.view_llmmonth"),
            ("Models left alone", "power_off", "admin:agents_llmbreaker_changelist", "agents.view_llmbreaker"),
        ]),
        ("Jobs", [
            ("Dashboard", "monitoring", "admin:jobs_dashboard", "jobs.view_run"),
            ("Runs", "play_circle", "admin:jobs_run_changelist", "jobs.view_run"),
            ("Events", "bolt", "admin:jobs_event_changelist", "jobs.view_event"),
            ("Schedules", "schedule", "admin:jobs_schedule_changelist", "jobs.view_schedule"),
            ("Workers", "memory", "admin:jobs_worker_changelist", "jobs.view_worker"),
        ]),
        ("Access", [
            ("Organisations", "corporate_fare", "admin:organizations_organization_changelist",
             "organizations.view_organization"),
            ("Members", "group", "admin:organizations_membership_changelist", "organizations.view_membership"),
            ("Users", "person", "admin:organizations_user_changelist", "organizations.view_user"),
            ("API keys", "key", "admin:organizations_apikey_changelist", "organizations.view_apikey"),
        ]),
    ]  # fmt: skip
    links = [_link(name) for _, items in sections for _, _, name, _ in items]
    # The closest one: a page of our own lies below the list of a model.
    here = max((link for link in links if _leads_to(link, request)), key=len, default="")
    return [
        {
            "title": title,
            "separator": True,
            "items": [
                {
                    "title": text,
                    "icon": icon,
                    "link": _link(name),
                    "active": partial(_is, _link(name), here),
                    "badge": waiting_for_review() if name == REVIEW_QUEUE else "",
                }
                for text, icon, name, permission in items
                if user.has_perm(permission)
            ],
        }
        for title, items in sections
    ]


def _link(name: str) -> str:
    """`name` is a view's, maybe with a query: a list that is filtered."""
    view, mark, query = name.partition("?")
    return reverse(view) + mark + query


def _leads_to(link: str, request: HttpRequest) -> bool:
    path, _, query = link.partition("?")
    return request.path.startswith(path) and all(request.GET.get(name) == value for name, value in parse_qsl(query))


def _is(link: str, here: str, request: HttpRequest) -> bool:
    return link == here
