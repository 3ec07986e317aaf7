"""Which organisations a command is about."""

from django.core.management.base import CommandError

from oppspot.organizations.models import Organization


def organizations(slug: str | None, *, every: bool = False) -> list[Organization]:
    """The one named, or `every` one; without either the only one that there is. Raises `CommandError`."""
    known = Organization.objects.order_by("slug")
    if slug:
        found = list(known.filter(slug=slug))
        if not found:
            raise CommandError(f"There is no organisation {slug!r}.")
        return found
    everyone = list(known[: None if every else 2])
    if not every and len(everyone) != 1:
        raise CommandError("There is no organisation." if not everyone else "Name an organisation by --org SLUG.")
    return everyone
