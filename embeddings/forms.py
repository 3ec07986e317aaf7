"""The form of the admin's search page."""

from typing import Any

from django import forms

from businesses.models import Status
from embeddings.search import MAX_LIMIT, MAX_QUERY, MODES


class SearchForm(forms.Form):
    """A query and the filters people use most; the API has them all."""

    query = forms.CharField(max_length=MAX_QUERY)
    mode = forms.ChoiceField(choices=[(mode, mode) for mode in MODES], required=False)
    limit = forms.IntegerField(min_value=1, max_value=MAX_LIMIT, required=False)
    threshold = forms.FloatField(min_value=0, max_value=1, required=False)
    sic = forms.CharField(required=False, label="SIC")
    town = forms.CharField(required=False)
    postcode_area = forms.CharField(required=False)
    category = forms.CharField(required=False)
    status = forms.ChoiceField(choices=[("", "any"), *Status.choices], required=False)

    FILTERS = ("sic", "town", "postcode_area", "category", "status")

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of `embeddings.search.search`."""
        data = self.cleaned_data
        return {
            "query": data["query"],
            "mode": data["mode"] or MODES[0],
            "limit": data["limit"] or 20,
            "threshold": data["threshold"],
            "filters": {name: data[name] for name in self.FILTERS if data[name]},
            "explain": True,
        }
