"""The register: companies as global facts, and the industry classification."""

import uuid
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import MD5, Concat, Length, Now, Upper
from django.db.models.lookups import GreaterThan, LessThanOrEqual
from pgvector.django import VectorField

from businesses.normalise import domain_of, normalise_name
from businesses.querysets import BusinessQuerySet
from businesses.sic import titles_text

MAX_DESCRIPTION = 20_000  # characters
SEPARATOR = "\x1f"  # between hashed fields, so that moving a word from one to the next changes the hash


class Words(Func):
    """A text array as one text: `array_to_string` in an immutable form, which generated columns need."""

    function = "oppspot_words"
    output_field = models.TextField()


class AddressKey(Func):
    """Equal for the registered addresses of companies at one place; null without a first line or a postcode."""

    function = "oppspot_address_key"
    output_field = models.UUIDField()


def _joined(*fields: str | Func) -> Concat:
    parts: list[Any] = []
    for field in fields:
        parts += [F(field) if isinstance(field, str) else field, Value(SEPARATOR)]
    return Concat(*parts, output_field=models.TextField())


class Status(models.TextChoices):
    """What a company's raw status amounts to. The raw text is kept: the register's list is open."""

    ACTIVE = "active", "Active"
    STRIKE_OFF_PROPOSED = "strike_off_proposed", "Active, strike-off proposed"
    INSOLVENT = "insolvent", "In an insolvency procedure"
    DISSOLVED = "dissolved", "Dissolved or closed"
    OTHER = "other", "Other"
    UNKNOWN = "unknown", "Unknown"


class Business(models.Model):
    """A company: facts from the register and other sources, shared by all organisations. Null means unknown."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, db_default=RandomUUID(), editable=False)
    company_number = models.TextField(null=True, blank=True)
    name = models.TextField()
    name_normalised = models.TextField(editable=False)
    description = models.TextField(blank=True, db_default="", default="")
    website = models.TextField(blank=True, db_default="", default="")
    domain = models.TextField(blank=True, db_default="", default="", editable=False)
    categories = ArrayField(models.TextField(), blank=True, default=list, db_default=[])
    sic_codes = ArrayField(models.TextField(), blank=True, default=list, db_default=[], verbose_name="SIC codes")
    sic_titles = models.TextField(blank=True, db_default="", default="", editable=False)
    company_type = models.TextField(blank=True, db_default="", default="")
    status = models.CharField(max_length=20, choices=Status, default=Status.UNKNOWN, db_default=Status.UNKNOWN)
    status_raw = models.TextField(blank=True, db_default="", default="")
    country_of_origin = models.TextField(blank=True, db_default="", default="")
    incorporated_on = models.DateField(null=True, blank=True)
    dissolved_on = models.DateField(null=True, blank=True)
    founded_year = models.SmallIntegerField(null=True, blank=True)

    address_line1 = models.TextField(blank=True, db_default="", default="")
    address_line2 = models.TextField(blank=True, db_default="", default="")
    town = models.TextField(blank=True, db_default="", default="")
    county = models.TextField(blank=True, db_default="", default="")
    region = models.TextField(blank=True, db_default="", default="")
    country = models.TextField(blank=True, db_default="", default="")
    postcode = models.TextField(blank=True, db_default="", default="")
    postcode_area = models.GeneratedField(
        expression=Func(Upper("postcode"), Value("^[A-Z]{1,2}"), function="substring", output_field=models.TextField()),
        output_field=models.TextField(),
        db_persist=True,
    )

    accounts_category = models.TextField(blank=True, db_default="", default="")
    accounts_last_made_up_on = models.DateField(null=True, blank=True)
    accounts_next_due_on = models.DateField(null=True, blank=True)
    confirmation_last_made_up_on = models.DateField(null=True, blank=True)
    confirmation_next_due_on = models.DateField(null=True, blank=True)
    charges_total = models.IntegerField(null=True, blank=True)
    charges_outstanding = models.IntegerField(null=True, blank=True)
    charges_part_satisfied = models.IntegerField(null=True, blank=True)
    charges_satisfied = models.IntegerField(null=True, blank=True)
    previous_names = models.JSONField(default=list, db_default=[], blank=True, help_text="[{name, changed_on}]")
    employee_count = models.IntegerField(null=True, blank=True)

    # Where the facts come from. Each source compares its own hash, so that one never undoes the other's.
    source = models.TextField(blank=True, db_default="", default="", editable=False)
    register_hash = models.UUIDField(null=True, editable=False)
    register_snapshot_on = models.DateField(null=True, editable=False)
    # When the register was last asked about this company alone; an older snapshot does not undo the answer.
    register_checked_on = models.DateField(null=True, editable=False)
    import_hash = models.UUIDField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())
    updated_at = models.DateTimeField(auto_now=True, db_default=Now())

    embedding = VectorField(null=True, editable=False)
    embedding_model = models.TextField(blank=True, db_default="", default="", editable=False)
    embedding_generated_at = models.DateTimeField(null=True, editable=False)
    embedding_token_count = models.IntegerField(null=True, editable=False)
    # The template and the `text_hash` that the vector was made from.
    embedding_hash = models.TextField(blank=True, db_default="", default="", editable=False)

    # Changes with any field that is embedded, whoever writes it.
    text_hash = models.GeneratedField(
        expression=MD5(_joined("name", "description", "sic_titles", Words("categories"), "town", "domain")),
        output_field=models.TextField(),
        db_persist=True,
    )
    search_vector = models.GeneratedField(
        expression=SearchVector("name", weight="A", config="english")
        + SearchVector(Words("categories"), "description", weight="B", config="english")
        + SearchVector("sic_titles", weight="C", config="english")
        + SearchVector("town", weight="D", config="english"),
        output_field=SearchVectorField(),
        db_persist=True,
    )

    objects = BusinessQuerySet.as_manager()

    class Meta:
        db_table = "businesses"
        verbose_name_plural = "businesses"
        constraints = [
            # Not unique=True: that adds a second index, for LIKE.
            models.UniqueConstraint(fields=["company_number"], name="business_company_number_once"),
            models.CheckConstraint(
                # Postgres refuses a text of over a megabyte in a search vector; nobody describes a company in 20 kB.
                condition=Q(LessThanOrEqual(Length("description"), MAX_DESCRIPTION)),
                name="business_description_length",
            ),
            models.CheckConstraint(
                # pgvector stores a zero vector; its similarity is NaN and passes every threshold.
                condition=Q(embedding=None)
                | Q(GreaterThan(Func("embedding", function="vector_norm", output_field=models.FloatField()), 0.0)),
                name="business_embedding_not_zero",
            ),
            models.CheckConstraint(
                condition=Q(embedding=None, embedding_model="") | (~Q(embedding=None) & ~Q(embedding_model="")),
                name="business_embedding_has_model",
            ),
            models.CheckConstraint(
                condition=Q(company_number=None) | Q(company_number__regex=r"^[A-Z0-9]{8}$"),
                name="business_company_number_form",
            ),
            models.CheckConstraint(condition=~Q(name=""), name="business_has_name"),
            models.CheckConstraint(condition=Q(status__in=Status.values), name="business_status_known"),
        ]
        indexes = [
            models.Index("name", "id", name="business_name"),
            models.Index(OpClass("name_normalised", "text_pattern_ops"), name="business_name_normalised"),
            models.Index(fields=["domain"], condition=~Q(domain=""), name="business_domain"),
            models.Index(Upper("town"), name="business_town"),
            models.Index(OpClass("postcode", "text_pattern_ops"), name="business_postcode"),
            models.Index(fields=["postcode_area"], name="business_postcode_area"),
            models.Index(AddressKey("address_line1", "postcode"), name="business_address_key"),
            models.Index(fields=["incorporated_on"], name="business_incorporated"),
            models.Index(fields=["status"], condition=~Q(status=Status.ACTIVE), name="business_not_active"),
            GinIndex(fields=["sic_codes"], name="business_sic_codes"),
            GinIndex(fields=["categories"], name="business_categories"),
            GinIndex(fields=["search_vector"], name="business_search_vector"),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Keep the derived columns in step; bulk imports derive them in their own way.

        Saving an existing company leaves its vector alone, which may have been made since the company was loaded:
        the embedding columns are written by `embeddings.services` only.
        """
        self.name_normalised = normalise_name(self.name)
        self.domain = domain_of(self.website)
        self.sic_titles = titles_text(self.sic_codes)
        fields = kwargs.get("update_fields")
        if fields is not None:
            kwargs["update_fields"] = {*fields, "name_normalised", "domain", "sic_titles", "updated_at"}
        elif not self._state.adding:
            kwargs["update_fields"] = {
                field.name
                for field in self._meta.concrete_fields
                if not (field.primary_key or field.generated or field.name.startswith("embedding"))
                and field.attname not in self.get_deferred_fields()
            }
        super().save(*args, **kwargs)


class SicCode(models.Model):
    """A code of UK SIC 2007 (source: Office for National Statistics)."""

    code = models.CharField(max_length=5, primary_key=True)
    title = models.TextField()

    class Meta:
        db_table = "sic_codes"
        verbose_name = "SIC code"
        ordering = ["code"]

    def __str__(self) -> str:
        return f"{self.code} {self.title}"
