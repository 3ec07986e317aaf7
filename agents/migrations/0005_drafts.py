"""Drafts, their versions, and the list of those not to be contacted."""

import django.core.serializers.json
import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.manager
from django.db import migrations, models

import oppspot.core.ids
from oppspot.organizations.composite_keys import composite_foreign_key


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0004_reports"),
        ("businesses", "0006_watchlist_exclusions"),
        ("organizations", "0004_idempotent_requests"),
    ]

    operations = [
        migrations.CreateModel(
            name="Draft",
            fields=[
                (
                    "id",
                    models.UUIDField(default=oppspot.core.ids.uuid7, editable=False, primary_key=True, serialize=False),
                ),
                (
                    "channel",
                    models.CharField(
                        choices=[("email", "E-mail"), ("linkedin", "LinkedIn message"), ("call", "Notes for a call")],
                        max_length=10,
                    ),
                ),
                (
                    "form",
                    models.CharField(
                        help_text="email, note, inmail or call: which limits of length hold.", max_length=10
                    ),
                ),
                ("tone", models.CharField(max_length=10)),
                (
                    "recipient_key",
                    models.CharField(blank=True, default="", help_text="Equal for the same recipient.", max_length=64),
                ),
                ("recipient_name", models.CharField(blank=True, default="", max_length=200)),
                ("recipient_role", models.CharField(blank=True, default="", max_length=200)),
                ("subject", models.TextField(blank=True, default="")),
                ("body", models.TextField()),
                (
                    "claims",
                    models.JSONField(default=list, help_text="[{text, evidence: [id]}]: what each sentence rests on."),
                ),
                (
                    "citations",
                    models.JSONField(
                        default=list,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        help_text="The evidence, by id.",
                    ),
                ),
                (
                    "warnings",
                    models.JSONField(default=list, help_text="[{code, detail}]: what to look at before approving."),
                ),
                ("reason", models.CharField(help_text="The signal's type and rule, or `profile`.", max_length=80)),
                (
                    "mode",
                    models.CharField(
                        choices=[
                            ("deterministic", "Without a language model"),
                            ("llm", "With a language model"),
                            ("llm_fallback", "Without a language model, as it failed"),
                        ],
                        max_length=15,
                    ),
                ),
                ("template", models.CharField(max_length=120)),
                (
                    "facts_sha256",
                    models.CharField(help_text="Of the evidence and the settings it was written from.", max_length=64),
                ),
                ("content_sha256", models.CharField(max_length=64)),
                ("version", models.IntegerField(default=1)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("draft", "Draft"),
                            ("approved", "Approved"),
                            ("exported", "Exported"),
                            ("rejected", "Rejected"),
                        ],
                        default="draft",
                        max_length=10,
                    ),
                ),
                (
                    "edited_by",
                    models.TextField(blank=True, default="", help_text="Who changed it last; none: an agent."),
                ),
                ("approved_sha256", models.CharField(blank=True, default="", max_length=64)),
                ("approved_by", models.TextField(blank=True, default="")),
                ("approved_at", models.DateTimeField(null=True)),
                ("exported_by", models.TextField(blank=True, default="")),
                ("exported_at", models.DateTimeField(null=True)),
                ("rejected_by", models.TextField(blank=True, default="")),
                ("rejected_at", models.DateTimeField(null=True)),
                ("rejection", models.TextField(blank=True, default="", help_text="Why it was rejected.")),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "written_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), help_text="When its content changed last."
                    ),
                ),
                (
                    "agent",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="agents.agent"
                    ),
                ),
                (
                    "business",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="businesses.business"
                    ),
                ),
                (
                    "execution",
                    models.ForeignKey(
                        help_text="That wrote it last.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="agents.agentexecution",
                    ),
                ),
                (
                    "opportunity",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="agents.opportunity",
                    ),
                ),
                (
                    "org",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="organizations.organization"
                    ),
                ),
            ],
            options={
                "db_table": "drafts",
            },
            managers=[
                ("all_orgs", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="DraftVersion",
            fields=[
                (
                    "id",
                    models.UUIDField(default=oppspot.core.ids.uuid7, editable=False, primary_key=True, serialize=False),
                ),
                ("number", models.IntegerField()),
                ("subject", models.TextField(blank=True, default="")),
                ("body", models.TextField()),
                ("claims", models.JSONField(default=list)),
                ("citations", models.JSONField(default=list, encoder=django.core.serializers.json.DjangoJSONEncoder)),
                ("content_sha256", models.CharField(max_length=64)),
                (
                    "mode",
                    models.CharField(blank=True, default="", help_text="None of what a person wrote.", max_length=15),
                ),
                ("made_by", models.TextField(help_text="Who edited it, or `execution:…`.")),
                ("made_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "draft",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="agents.draft"),
                ),
                (
                    "org",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="organizations.organization"
                    ),
                ),
            ],
            options={
                "db_table": "draft_versions",
            },
            managers=[
                ("all_orgs", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Suppression",
            fields=[
                (
                    "id",
                    models.UUIDField(default=oppspot.core.ids.uuid7, editable=False, primary_key=True, serialize=False),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("email", "E-mail address"), ("domain", "Domain"), ("company", "Company")],
                        max_length=10,
                    ),
                ),
                (
                    "value",
                    models.CharField(help_text="A company's number; a keyed SHA-256 of anything else.", max_length=64),
                ),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("opted_out", "Asked not to be contacted"),
                            ("complaint", "Complained"),
                            ("customer", "Is a customer"),
                            ("competitor", "Is a competitor"),
                            ("bounced", "The address does not work"),
                            ("other", "Other"),
                        ],
                        default="opted_out",
                        max_length=12,
                    ),
                ),
                ("created_by", models.TextField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "org",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="organizations.organization"
                    ),
                ),
            ],
            options={
                "db_table": "suppressions",
            },
            managers=[
                ("all_orgs", django.db.models.manager.Manager()),
            ],
        ),
        migrations.AddIndex(
            model_name="draft",
            index=models.Index(models.F("org"), models.OrderBy(models.F("id"), descending=True), name="draft_latest"),
        ),
        migrations.AddIndex(
            model_name="draft",
            index=models.Index(models.F("org"), models.F("business"), name="draft_business"),
        ),
        migrations.AddConstraint(
            model_name="draft",
            constraint=models.UniqueConstraint(fields=("org", "id"), name="draft_of_org"),
        ),
        migrations.AddConstraint(
            model_name="draft",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status__in", ("draft", "approved"))),
                fields=("org", "agent", "business", "channel", "recipient_key"),
                name="draft_open_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="draft",
            constraint=models.CheckConstraint(
                condition=models.Q(("channel__in", ["email", "linkedin", "call"])), name="draft_channel_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="draft",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["draft", "approved", "exported", "rejected"])),
                name="draft_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="draft",
            constraint=models.CheckConstraint(
                condition=models.Q(("mode__in", ["deterministic", "llm", "llm_fallback"])), name="draft_mode_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="draft",
            constraint=models.CheckConstraint(
                condition=models.Q(("body", ""), _negated=True), name="draft_says_something"
            ),
        ),
        migrations.AddConstraint(
            model_name="draft",
            constraint=models.CheckConstraint(
                condition=models.Q(("content_sha256__regex", "^[0-9a-f]{64}$")), name="draft_content_hashed"
            ),
        ),
        migrations.AddConstraint(
            model_name="draft",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status__in", ["approved", "exported"]), _negated=True),
                    models.Q(
                        ("approved_at__isnull", False),
                        ("approved_sha256", models.F("content_sha256")),
                        models.Q(("approved_by", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="draft_approved_as_it_is",
            ),
        ),
        migrations.AddConstraint(
            model_name="draft",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "exported"), _negated=True),
                    models.Q(("exported_at__isnull", False), models.Q(("exported_by", ""), _negated=True)),
                    _connector="OR",
                ),
                name="draft_exported_by_somebody",
            ),
        ),
        migrations.AddConstraint(
            model_name="draft",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "rejected"), _negated=True),
                    models.Q(("rejected_at__isnull", False), models.Q(("rejected_by", ""), _negated=True)),
                    _connector="OR",
                ),
                name="draft_rejected_by_somebody",
            ),
        ),
        migrations.AddConstraint(
            model_name="draftversion",
            constraint=models.UniqueConstraint(fields=("org", "draft", "number"), name="draft_version_once"),
        ),
        migrations.AddIndex(
            model_name="suppression",
            index=models.Index(
                models.F("org"), models.OrderBy(models.F("id"), descending=True), name="suppression_latest"
            ),
        ),
        migrations.AddConstraint(
            model_name="suppression",
            constraint=models.UniqueConstraint(fields=("org", "kind", "value"), name="suppression_once"),
        ),
        migrations.AddConstraint(
            model_name="suppression",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["email", "domain", "company"])), name="suppression_kind_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="suppression",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("reason__in", ["opted_out", "complaint", "customer", "competitor", "bounced", "other"])
                ),
                name="suppression_reason_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="suppression",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "company"), ("value__regex", "^[A-Z0-9]{8}$")),
                    models.Q(("kind__in", ["email", "domain"]), ("value__regex", "^[0-9a-f]{64}$")),
                    _connector="OR",
                ),
                name="suppression_holds_no_address",
            ),
        ),
        composite_foreign_key("drafts", "agent_id", "ai_agents"),
        composite_foreign_key("drafts", "execution_id", "agent_executions"),
        composite_foreign_key("drafts", "opportunity_id", "opportunities"),
        composite_foreign_key("draft_versions", "draft_id", "drafts"),
    ]
