"""Who runs companies: officers and their appointments, as the register tells them. No dates of birth are stored."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from businesses.models.register import Business


class Officer(models.Model):
    """A person or a company that holds offices. One person may be several officers: the register does not always
    know that they are the same."""

    external_id = models.TextField(unique=True, help_text="The register's, from /officers/{id}/appointments.")
    name = models.TextField(help_text="As the register writes it: SURNAME, First Middle.")
    name_normalised = models.TextField(editable=False)
    is_corporate = models.BooleanField(default=False, db_default=False)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "officers"
        constraints = [models.CheckConstraint(condition=~Q(name=""), name="officer_has_name")]
        indexes = [models.Index(fields=["name_normalised"], name="officer_name")]

    def __str__(self) -> str:
        return self.name


class Appointment(models.Model):
    """An office that an officer holds or held in a company."""

    external_id = models.TextField(unique=True, help_text="The register's, from /company/{no}/appointments/{id}.")
    officer = models.ForeignKey(Officer, on_delete=models.CASCADE, related_name="appointments")
    business = models.ForeignKey(Business, on_delete=models.CASCADE, related_name="appointments")
    role = models.TextField(help_text="The register's enumeration officer_role; open.")
    occupation = models.TextField(blank=True, db_default="", default="")
    appointed_on = models.DateField(null=True)
    resigned_on = models.DateField(null=True)
    source = models.TextField()
    source_url = models.TextField(blank=True, db_default="", default="")
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "appointments"
        constraints = [models.CheckConstraint(condition=~Q(role=""), name="appointment_has_role")]
        indexes = [
            models.Index("business", F("appointed_on").desc(), name="appointment_business"),
            models.Index("officer", "business", name="appointment_officer"),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.officer_id} of {self.business_id}"

    @property
    def is_current(self) -> bool:
        return self.resigned_on is None
