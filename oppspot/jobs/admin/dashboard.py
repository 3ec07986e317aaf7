"""The dashboard of jobs: how the queue is now, and how it did in the last hour or day."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.views.generic import TemplateView
from unfold.views import UnfoldModelAdminViewMixin

from oppspot.jobs import stats
from oppspot.jobs.admin.durations import in_words
from oppspot.jobs.health import WAIT_LIMIT_S
from oppspot.jobs.stats import Bucket, FunctionFigures, Period

LISTED = 30  # functions
FAILING = 12  # functions in the chart of failures
# Colours that can be told apart on white and on black.
GREEN, RED, GREY = "#22c55e", "#ef4444", "#9ca3af"
BLUE, LIGHT_BLUE, PURPLE, LIGHT_PURPLE = "#3b82f6", "#93c5fd", "#a855f7", "#d8b4fe"
SECONDS = 3  # decimals


class DashboardView(UnfoldModelAdminViewMixin, TemplateView):
    title = "Dashboard"
    permission_required = "jobs.view_run"
    template_name = "jobs/admin_dashboard.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        period = Period.of(self.request.GET.get("period"))
        history = stats.history(period)
        total, *functions = stats.by_function(period)
        context: dict[str, Any] = super().get_context_data(**kwargs)
        return context | {
            "cards": cards(),
            "periods": [{"title": one.text, "link": f"?period={one.text}", "active": one is period} for one in Period],
            "period": period,
            "ran": total.runs,
            "throughput": throughput_chart(history, period),
            "times": times_chart(history, period),
            "failures": failures_chart(functions),
            "figures": [_row(one) for one in (total, *functions[:LISTED])],
            "left_out": max(len(functions) - LISTED, 0),
        }


@dataclass(frozen=True)
class Card:
    """A figure of the present; `is_bad` marks it."""

    title: str
    figure: str
    note: str
    link: str
    is_bad: bool = False


def cards() -> list[Card]:
    depth, oldest = stats.depth(), stats.oldest_ready_s()
    dead, workers, overdue = stats.dead_letters(), stats.workers_alive(), stats.overdue_schedules()
    waiting = f"{_count(depth.ready)} ready · {_count(depth.time)} for their time · "
    waiting += f"{_count(depth.slot)} for a slot · {_count(depth.children)} for children"
    late = oldest is not None and oldest >= WAIT_LIMIT_S
    return [
        Card("Queue", _count(depth.queued), waiting, _runs("queued")),
        Card("Oldest ready run", in_words(oldest), f"should be below {WAIT_LIMIT_S} s", _runs("ready"), late),
        Card("Running", _count(depth.running), "at work now", _runs("running")),
        Card("Dead letters", _count(dead), "failed for good, not run again", _runs("dead"), dead > 0),
        Card(
            "Workers alive", str(workers), f"seen in the last {stats.SEEN_WITHIN_S} s",
            reverse("admin:jobs_worker_changelist"), workers == 0,
        ),
        Card(
            "Overdue schedules", str(overdue), f"due {stats.OVERDUE_AFTER_S} s ago or earlier",
            reverse("admin:jobs_schedule_changelist"), overdue > 0,
        ),
    ]  # fmt: skip


def _count(count: int) -> str:
    return f"{count:,}" + ("+" if count >= stats.COUNTED else "")


def _runs(state: str) -> str:
    return reverse("admin:jobs_run_changelist", query={"state": state})


def _row(figures: FunctionFigures) -> dict[str, Any]:
    times = figures.times
    return {
        "function": figures.function,
        "link": reverse("admin:jobs_run_changelist", query={"function": figures.function}),
        "runs": figures.runs,
        "failed": figures.failed,
        "times": [in_words(value) for value in (times.wait_p50, times.wait_p95, times.run_p50, times.run_p95)],
    }


# Charts: data and options of Chart.js, as JSON


def throughput_chart(history: Sequence[Bucket], period: Period) -> dict[str, str]:
    series = [
        {"label": "completed", "data": [bucket.completed for bucket in history], "backgroundColor": GREEN},
        {"label": "failed", "data": [bucket.failed for bucket in history], "backgroundColor": RED},
    ]
    return _chart({"labels": _labels(history, period), "datasets": series}, stacked=True, unit="runs", whole=True)


def times_chart(history: Sequence[Bucket], period: Period) -> dict[str, str]:
    lines = [("wait, median", "wait_p50", BLUE), ("wait, 95 %", "wait_p95", LIGHT_BLUE)]
    lines += [("run, median", "run_p50", PURPLE), ("run, 95 %", "run_p95", LIGHT_PURPLE)]
    series = [
        {
            "label": label,
            "borderColor": colour,
            "backgroundColor": colour,
            "borderWidth": 2,
            "pointRadius": 2,
            "data": [_rounded(getattr(bucket.times, name)) for bucket in history],
            "spanGaps": True,
        }
        for label, name, colour in lines
    ]
    return _chart({"labels": _labels(history, period), "datasets": series}, unit="seconds")


def failures_chart(functions: Sequence[FunctionFigures]) -> dict[str, str] | None:
    """None when nothing failed."""
    failing = [one for one in functions if one.failed][:FAILING]
    if not failing:
        return None
    series = {"label": "failed", "data": [one.failed for one in failing], "backgroundColor": RED, "maxBarThickness": 24}
    data = {"labels": [one.function for one in failing], "datasets": [series]}
    return _chart(data, across=True, unit="runs", whole=True) | {"height": str(80 + 32 * len(failing))}


def _labels(history: Sequence[Bucket], period: Period) -> list[str]:
    """Local times; in a day also the weekday."""
    pattern = "%H:%M" if period is Period.HOUR else "%a %H:%M"
    return [timezone.localtime(bucket.start).strftime(pattern) for bucket in history]


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, SECONDS)


def _chart(
    data: dict[str, Any], *, unit: str, stacked: bool = False, across: bool = False, whole: bool = False
) -> dict[str, str]:
    ticks: dict[str, Any] = {"color": GREY}
    categories = {
        "stacked": stacked,
        "grid": {"display": False},
        "ticks": ticks | {"maxTicksLimit": 10, "maxRotation": 0},
    }
    values = {
        "stacked": stacked,
        "beginAtZero": True,
        "title": {"display": True, "text": unit, "color": GREY},
        "ticks": ticks | ({"precision": 0} if whole else {}),
    }
    if across:
        categories["ticks"] = ticks | {"autoSkip": False}
    options = {
        "animation": False,
        "responsive": True,
        "maintainAspectRatio": False,
        "indexAxis": "y" if across else "x",
        "interaction": {"mode": "index", "axis": "y" if across else "x", "intersect": False},
        "scales": {"x": values, "y": categories} if across else {"x": categories, "y": values},
        "plugins": {
            "legend": {"display": len(data["datasets"]) > 1, "labels": {"color": GREY, "boxWidth": 12, "boxHeight": 12}}
        },
    }
    return {"data": json.dumps(data), "options": json.dumps(options), "height": "280"}
