"""Admin of tables with millions of rows: nothing is counted or listed in full."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib import messages
from django.contrib.admin import ShowFacets, SimpleListFilter
from django.core.paginator import Paginator
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.views import ChangeList

Column = TypeVar("Column", bound=Callable[..., Any])

LINK = "text-primary-600 dark:text-primary-500"  # classes of the admin's theme
COUNTED = 10_000  # rows counted exactly; beyond, the planner's estimate, or "at least"
REACHABLE_PAGES = 200  # an offset reads all rows before it: filters lead further than page numbers


class EstimatingPaginator(Paginator):  # type: ignore[type-arg]
    """Counts up to `COUNTED` rows; more, unfiltered, are what the planner thinks the table holds.

    A table that was never analysed has no estimate and then says `COUNTED`.
    """

    @cached_property
    def count(self) -> int:
        queryset: Any = self.object_list
        found: int = queryset.order_by()[: COUNTED + 1].count()
        if found <= COUNTED or queryset.query.where:
            return min(found, COUNTED)
        with connection.cursor() as cursor:
            table = connection.ops.quote_name(queryset.model._meta.db_table)
            cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(%s)", [table])
            row = cursor.fetchone()
        return max(COUNTED, row[0] if row else 0)

    @cached_property
    def num_pages(self) -> int:
        return min(super().num_pages, REACHABLE_PAGES)


class PagedChangeList(ChangeList):
    """Reads one page at most: Django's reads all rows when the count says that they fit on one."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if self.result_count < COUNTED and self.queryset.query.where:
            # Few rows match: find them first, then sort. Left to itself, the planner may think that matches are
            # common and walk the index of the order until it has a page of them: to the end of the table.
            few = self.queryset.order_by().values("pk")[:COUNTED]
            matching = self.root_queryset.filter(pk__in=few).order_by(*self.get_ordering(request, self.queryset))
            start = (self.page_num - 1) * self.list_per_page
            self.result_list = matching[start : start + self.list_per_page]
            return
        rows: Any = self.result_list
        if isinstance(rows, QuerySet) and not rows.query.is_sliced:
            rows = rows[: self.list_per_page]
        self.result_list = rows


class LargeTableAdmin(ModelAdmin):
    """Base of changelists over big tables. `ordering` and sortable columns must have an index;
    a column shown by a method is not sortable."""

    paginator = EstimatingPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 0
    list_disable_select_all = True
    list_filter_submit = True

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[PagedChangeList]:
        return PagedChangeList


class ChoiceFilter(SimpleListFilter):
    """Answers nothing, and says so, for a value that is none of its choices."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value is None:
            return queryset
        if value not in dict(self.lookup_choices):
            messages.warning(request, f"{self.title}: there is no such choice.")
            return queryset.none()
        return self.narrowed(queryset, value)

    def narrowed(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        raise NotImplementedError


class ReadOnlyMixin:
    """Rows that the program writes, not people: here they are looked at."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def column(description: str, *, colours: dict[str, str] | None = None) -> Callable[[Column], Column]:
    """A column or detail made by a method; `colours` turns its texts into labels (success, info, warning, danger)."""
    decorator: Callable[[Column], Column] = display(description=description, label=colours)
    return decorator
