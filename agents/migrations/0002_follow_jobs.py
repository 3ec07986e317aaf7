"""The state of an execution follows its job's, and no execution refers to another organisation's rows."""

from django.db import migrations

from oppspot.organizations.composite_keys import composite_foreign_key

# The job is the truth of an execution's state, whoever writes it: a worker, one that finds a lost run, a person who
# cancels. Here both are written in one transaction.
FOLLOW = """
CREATE FUNCTION agents_follow_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE agent_executions SET
        status = NEW.status,
        started_at = COALESCE(started_at, NEW.started_at),
        completed_at = NEW.finished_at,
        duration_ms = CASE WHEN NEW.finished_at IS NOT NULL THEN GREATEST(0, round(1000 * extract(
            epoch FROM NEW.finished_at - COALESCE(started_at, NEW.started_at, NEW.finished_at)))) END,
        error_message = CASE
            WHEN NEW.status = 'completed' THEN ''
            WHEN NEW.status = 'failed' AND NEW.error = '' THEN 'It failed, and gave no reason.'
            ELSE NEW.error END
    WHERE run_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER agents_follow_job AFTER UPDATE OF status, error ON jobs_run FOR EACH ROW
WHEN (NEW.function LIKE 'agents.%' AND (OLD.status, OLD.error) IS DISTINCT FROM (NEW.status, NEW.error))
EXECUTE FUNCTION agents_follow_job();

CREATE FUNCTION agents_check_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.status, NEW.status) NOT IN (
        ('queued', 'running'), ('queued', 'cancelled'), ('queued', 'failed'),
        ('running', 'queued'), ('running', 'completed'), ('running', 'failed'), ('running', 'cancelled'),
        ('failed', 'queued'), ('cancelled', 'queued')
    ) THEN
        RAISE EXCEPTION 'An execution that is % cannot become %.', OLD.status, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'execution_transition';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER agents_check_transition BEFORE UPDATE OF status ON agent_executions FOR EACH ROW
WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION agents_check_transition();
"""
UNFOLLOW = """
DROP TRIGGER agents_check_transition ON agent_executions;
DROP FUNCTION agents_check_transition();
DROP TRIGGER agents_follow_job ON jobs_run;
DROP FUNCTION agents_follow_job();
"""


class Migration(migrations.Migration):
    dependencies = [("agents", "0001_agents"), ("jobs", "0001_jobs")]

    operations = [
        migrations.RunSQL(FOLLOW, UNFOLLOW),
        composite_foreign_key("agent_executions", "agent_id", "ai_agents"),
        composite_foreign_key("agent_executions", "parent_id", "agent_executions"),
        composite_foreign_key("agent_execution_steps", "execution_id", "agent_executions"),
        composite_foreign_key("agent_triggers", "agent_id", "ai_agents"),
        composite_foreign_key("agent_handoffs", "source_id", "ai_agents"),
        composite_foreign_key("agent_handoffs", "target_id", "ai_agents"),
        composite_foreign_key("llm_calls", "execution_id", "agent_executions"),
        composite_foreign_key("opportunities", "agent_id", "ai_agents"),
        composite_foreign_key("opportunities", "execution_id", "agent_executions"),
        composite_foreign_key("scorecards", "agent_id", "ai_agents"),
        composite_foreign_key("scorecards", "execution_id", "agent_executions"),
    ]
