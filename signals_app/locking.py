"""Whoever changes signals of an organisation, or computes its scores, waits for whoever does."""

from django.db import connection

from oppspot.organizations.models import Organization


def lock_signals(org: Organization) -> None:
    """Until the transaction ends; to be taken before anything is read that decides what is written.

    Detection compares with the signals that are there, people change single ones, and scores are sums of all: without
    it, one would write over what another has just written. One lock for all leaves nothing to take in another order.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"signals:{org.pk}"])
