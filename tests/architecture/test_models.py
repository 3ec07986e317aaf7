"""Each model is an organisation's or everyone's, and the first kind keeps the rules of `org_owned`."""

import pytest
from django.db import connection, models
from django.test.utils import isolate_apps

from businesses.models import Business
from oppspot.organizations.models import Organization, User
from oppspot.organizations.scoping import OrgOwned
from tests.architecture.org_owned import (
    UNIQUE_EVERYWHERE,
    broken_rules,
    missing_composite_keys,
    org_owned_models,
    project_models,
)

GLOBAL_MODELS = {
    "agents.LLMBreaker": "how this installation's language models stand",
    "businesses.Appointment": "a fact of the public register",
    "businesses.Business": "a fact of the public register",
    "businesses.BusinessEvent": "a fact of the public register",
    "businesses.Feed": "a public source of facts, entered by operations",
    "businesses.Officer": "a fact of the public register",
    "businesses.RequestBudget": "what an outside service allows this installation",
    "businesses.SicCode": "a public classification",
    "businesses.SourceGap": "how this installation's sources stand",
    "businesses.SourcePull": "how this installation's sources stand",
    "businesses.SourceState": "how this installation's sources stand",
    "embeddings.EmbeddingModel": "which models have an index over the register",
    "jobs.Attempt": "part of a run, and read through it",
    "jobs.Event": "an organisation's or the system's own; read by for_org",
    "jobs.RateBucket": "a limit's state, of which the key names the organisation",
    "jobs.Run": "an organisation's or the system's own; read by for_org",
    "jobs.RunLog": "part of a run, and read through it",
    "jobs.Schedule": "the system's own",
    "jobs.Step": "part of a run, and read through it",
    "jobs.Worker": "a process of this installation",
    "organizations.Organization": "the organisation itself",
    "organizations.User": "a person, who may belong to several organisations",
}


def test_every_model_is_an_organisations_or_listed_as_global() -> None:
    names = {model._meta.label for model in project_models() if not issubclass(model, OrgOwned)}
    assert names == set(GLOBAL_MODELS), "list new global models with a reason; drop those that are gone"


@pytest.mark.parametrize("model", org_owned_models(), ids=lambda model: model._meta.label)
def test_org_owned_models_keep_the_rules(model: type[OrgOwned]) -> None:
    assert broken_rules(model) == []


def test_no_exception_is_stale() -> None:
    names = {constraint.name for model in org_owned_models() for constraint in model._meta.constraints}
    assert set(UNIQUE_EVERYWHERE) <= names


@pytest.mark.django_db
def test_foreign_keys_between_org_owned_tables_hold_the_organisation() -> None:
    assert missing_composite_keys([model._meta.db_table for model in org_owned_models()]) == []


# The rules themselves


@isolate_apps("tests")
def test_each_rule_finds_what_breaks_it() -> None:
    class Wrong(OrgOwned):
        org = models.ForeignKey(Organization, null=True, on_delete=models.SET_NULL, related_name="wrongs")
        slug = models.CharField(max_length=9, unique=True)
        name = models.CharField(max_length=9)
        user = models.ForeignKey(User, on_delete=models.CASCADE)
        business = models.ForeignKey(Business, on_delete=models.CASCADE, related_name="+")
        businesses = models.ManyToManyField(Business, related_name="+")
        objects = models.Manager()  # type: ignore[assignment]

        class Meta:
            app_label = "tests"
            unique_together = [("name", "slug")]
            constraints = [models.UniqueConstraint(fields=["name"], name="name_once")]

        def __str__(self) -> str:
            return self.name

    assert broken_rules(Wrong) == [
        "org may be null",
        "org does not cascade",
        "all_orgs is not the first manager",
        "objects is no OrgManager",
        "name_once is unique over all organisations",
        "slug is unique over all organisations",
        "('name', 'slug') is unique over all organisations",
        "businesses goes through a table without organisation",
        "org can be followed from Organization: its related_name is not '+'",
        "user can be followed from User: its related_name is not '+'",
        "business: deleting a company would delete rows of organisations",
    ]


@isolate_apps("tests")
def test_a_model_that_keeps_the_rules_is_fine() -> None:
    class Right(OrgOwned):
        org = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
        name = models.CharField(max_length=9)
        business = models.ForeignKey(Business, on_delete=models.PROTECT, related_name="+")

        class Meta:
            app_label = "tests"
            constraints = [models.UniqueConstraint(fields=["org", "name"], name="name_once")]

        def __str__(self) -> str:
            return self.name

    assert broken_rules(Right) == []


@pytest.mark.django_db
def test_a_plain_foreign_key_between_org_owned_tables_is_found() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE parents (id int PRIMARY KEY, org_id int, UNIQUE (org_id, id))")
        cursor.execute("CREATE TABLE children (id int, org_id int, parent_id int REFERENCES parents (id))")
        assert missing_composite_keys(["parents", "children"]) == ["children.parent_id"]
        cursor.execute("ALTER TABLE children ADD FOREIGN KEY (org_id, parent_id) REFERENCES parents (org_id, id)")
        assert missing_composite_keys(["parents", "children"]) == []
