"""What functions ask of AWS is read off their code: with a setting more they may ask more, and for nothing that is not there."""

from __future__ import annotations

from tests.deployment.calls import actions

REMEMBERS = {"dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"}


def test_what_depends_on_a_setting_counts_where_it_is_set() -> None:
    plain = {"LANDLORD_TENANT_URL", "LANDLORD_OPERATOR_URL"}
    assert actions("api", plain) == {"rds-db:connect"}
    assert actions("api", {*plain, "LANDLORD_ACCESS_TABLE"}) == {"rds-db:connect", *REMEMBERS}
    assert actions("api", {*plain, "LANDLORD_BILLING_QUEUE_URL"}) == {"rds-db:connect", "sqs:SendMessage"}
    assert actions("api", {*plain, "LANDLORD_MAIL"}) == {"rds-db:connect", "ses:SendEmail", "ses:SendRawEmail"}
    assert actions("api", {*plain, "LANDLORD_SECRETS"}) == {"rds-db:connect", "secretsmanager:GetSecretValue"}


def test_where_papers_are_kept_whoever_hands_them_out_reads_and_writes_them_and_nobody_lists_them() -> None:
    for entry in ("api", "outbox_worker"):
        without, kept = actions(entry, set()), actions(entry, {"LANDLORD_PAPERS_BUCKET"})
        assert kept - without == {"s3:GetObject", "s3:PutObject"}
    assert "s3:GetObject" not in actions("billing_worker", {"LANDLORD_PAPERS_BUCKET"})


def test_each_function_is_its_own() -> None:
    assert actions("outbox_worker", set()) == {"rds-db:connect", "ses:SendEmail", "ses:SendRawEmail"}
    given_out = actions("outbox_worker", {"LANDLORD_PARCELS_QUEUE_URL"}) - actions("outbox_worker", set())
    assert given_out == {"sqs:SendMessage"}
    told = {"LANDLORD_SECRETS", "LANDLORD_RECEIPTS_QUEUE_URL"}
    assert actions("sender", told) == {"secretsmanager:GetSecretValue", "sns:Publish", "sqs:SendMessage"}
    assert actions("receipts", set()) == {"rds-db:connect"}
    # it has what entries are signed with, and so may read them alone
    assert actions("authorizer", {"LANDLORD_ACCESS_TABLE"}) == {"dynamodb:BatchGetItem"}
    reads = {"rds-db:connect", "secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"}
    assert actions("migrate", set()) == {*reads, "secretsmanager:PutSecretValue"}
    # only who turns a secret moves what is current
    assert actions("rotate", set()) - actions("migrate", set()) == {"secretsmanager:UpdateSecretVersionStage"}
