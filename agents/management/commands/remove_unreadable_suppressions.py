"""`manage.py remove_unreadable_suppressions`: for a SECRET_KEY that is lost for good."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from agents.management.organizations import organizations
from agents.models import Suppression
from agents.suppression import remove_unreadable, unreadable


class Command(BaseCommand):
    help = "Delete the entries of do-not-contact lists that were made under a SECRET_KEY that is lost."

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--org", help="slug of an organisation; may be left out when there is only one")
        which.add_argument("--all-orgs", dest="every", action="store_true", help="of every organisation")
        parser.add_argument("--dry-run", action="store_true", help="only count them")

    def handle(self, *args: Any, **options: Any) -> None:
        for org in organizations(options["org"], every=options["every"]):
            if options["dry_run"]:
                count, done = unreadable(Suppression.objects.for_org(org)).count(), "to remove"
            else:
                count, done = remove_unreadable(org=org, by="a command"), "removed"
            self.stdout.write(f"{org.slug}: {count} {done}")
