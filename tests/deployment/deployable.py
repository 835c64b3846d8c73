"""The template that osls makes of serverless.yml: nothing is found in it that is not answered for, each function may do what its
code does and no more, and the database is never asked for more connections than it has.

`make deployable` runs it, and has packaged both stages before: it needs no credentials.
"""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
import zipfile
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import telemetry
from auth.retelling import LATELY
from bench import cost
from billing import outbox
from billing.deliveries import LEASE
from billing.post import SECONDS
from tests.deployment import calls

ROOT = Path(__file__).parents[2]
STAGES = ("dev", "prod")
LINTERS = ROOT / "build" / "lint" / "bin"
ANSWERS = tomllib.loads((ROOT / "infra" / "findings.toml").read_text())

# what is asked of S3 by whoever hands out invoices
KEEPS = ["s3:GetObject", "s3:PutObject"]

# of a cluster that may grow to 4 units, by Amazon's formula; and what the proxy may have of them
MOST_CONNECTIONS = 820


def file(stage: str) -> Path:
    return ROOT / "build" / "deployable" / stage / "cloudformation-template-update-stack.json"


@cache
def template(stage: str = "prod") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file(stage).read_text())
    return found


def of(kind: str) -> dict[str, dict[str, Any]]:
    """The properties of all resources of this kind, by their names."""
    return {name: it.get("Properties", {}) for name, it in template()["Resources"].items() if it["Type"] == kind}


def functions() -> dict[str, dict[str, Any]]:
    """By name as serverless.yml has it."""
    return {
        name.removesuffix("LambdaFunction"): properties
        for name, properties in of("AWS::Lambda::Function").items()
        if properties["Handler"].startswith("handler.")
    }


def statements(function: dict[str, Any], policy: str) -> list[dict[str, Any]]:
    role = template()["Resources"][function["Role"]["Fn::GetAtt"][0]]["Properties"]
    [found] = [one["PolicyDocument"]["Statement"] for one in role["Policies"] if one["PolicyName"] == policy]
    return list(found)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def environment(function: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = function["Environment"]["Variables"]
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_cfn_lint_finds_nothing(stage: str) -> None:
    # W3005: osls names a dependency that a reference implies already
    asked = [str(LINTERS / "cfn-lint"), str(file(stage)), "--regions", "eu-central-1", "--ignore-checks", "W3005"]
    ran = subprocess.run(asked, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "")


@pytest.mark.parametrize("stage", STAGES)
def test_whatever_checkov_finds_is_answered_for_and_nothing_else_is(stage: str) -> None:
    asked = [
        str(LINTERS / "checkov"),
        "-f",
        file(stage).name,
        "--framework",
        "cloudformation",
        "-o",
        "json",
        "--skip-download",
    ]
    # named from its own folder: forty letters of a long path look like a secret to it
    said = json.loads(subprocess.run(asked, capture_output=True, text=True, cwd=file(stage).parent).stdout)
    assert said["summary"]["passed"] > 150
    assert said["summary"]["parsing_errors"] == 0
    found = sorted({(one["check_id"], one["resource"].split(".")[-1]) for one in said["results"]["failed_checks"]})
    answered = sorted((check, name) for check, answer in ANSWERS.items() for name in answer["resources"])
    assert found == answered
    assert all(len(answer["reason"]) > 40 for answer in ANSWERS.values())
    assert len(ANSWERS) <= 5


@pytest.mark.parametrize("stage", STAGES)
def test_it_holds_no_secret_and_no_account(stage: str) -> None:
    text = file(stage).read_text()
    # Amazon's own managed policies belong to the account `aws`
    assert re.findall(r"\b[0-9]{12}\b|AKIA\w{16}|lz_(?:live|test)_\w+", text) == []
    assert re.findall(r"resolve:secretsmanager[^}]*", text) == []


def test_every_function_may_do_what_its_code_does_and_nothing_else() -> None:
    allowed, called = {}, {}
    for name, function in functions().items():
        entry = function["Handler"].removeprefix("handler.")
        called[name] = sorted(calls.actions(entry, environment(function)))
        allowed[name] = sorted(
            {
                action
                for one in statements(function, "code")
                for action in listed(one["Action"])
                if one["Effect"] == "Allow"
            }
        )
    assert allowed == called


def test_every_function_finds_in_its_artifact_what_botocore_knows_of_the_services_that_it_asks() -> None:
    for name, function in functions().items():
        with zipfile.ZipFile(ROOT / "build" / Path(function["Code"]["S3Key"]).name) as packed:
            known = {file.split("/")[2] for file in packed.namelist() if re.match(r"botocore/data/[^/]+/", file)}
        asked = {action.partition(":")[0] for one in statements(function, "code") for action in listed(one["Action"])}
        assert {{"ses": "sesv2"}.get(one, one) for one in asked - {"rds-db"}} <= known, name


def test_every_function_may_connect_as_the_logins_that_it_is_told_of_and_as_no_other() -> None:
    for name, function in functions().items():
        told = {
            login
            for url in environment(function).values()
            for login in re.findall(r"//(landlord_\w+)@", json.dumps(url))
        }
        may = {
            login
            for one in statements(function, "code")
            if one["Action"] == "rds-db:connect"
            for login in re.findall(r"/(landlord_\w+)\"", json.dumps(one["Resource"]))
        }
        assert (name, may) == (name, told)


def test_every_function_knows_its_database_by_authorities_that_are_in_its_artifact() -> None:
    for name, function in functions().items():
        [artifact] = ROOT.glob(
            f"build/landlord-{'api' if name in ('Api', 'Authorizer') else 'worker'}-arm64-py3.13.zip"
        )
        with zipfile.ZipFile(artifact) as packed:
            files = {f"/var/task/{file}" for file in packed.namelist() if file.endswith("-ca.pem")}
        for url in map(json.dumps, environment(function).values()):
            if "//landlord_" in url:
                server = "cluster" if "DatabaseCluster" in url else "proxy"
                assert f"?sslmode=verify-full&sslrootcert=/var/task/{server}-ca.pem" in url
                assert f"/var/task/{server}-ca.pem" in files, name


def test_every_function_may_read_the_secrets_that_it_is_told_of_and_no_other() -> None:
    by_name = {properties["Name"]: resource for resource, properties in of("AWS::SecretsManager::Secret").items()}
    for name, function in functions().items():
        if name in ("Migrate", "Rotate"):
            continue  # they fill and turn all of them: the next test
        told = [by_name[one] for one in environment(function).get("LANDLORD_SECRETS", "").split(",") if one]
        may = [
            one["Resource"]
            for one in statements(function, "code")
            if "secretsmanager:GetSecretValue" in listed(one["Action"])
        ]
        assert (name, sorted(ref["Ref"] for refs in may for ref in listed(refs))) == (name, sorted(told))


def test_every_function_may_keep_papers_in_the_bucket_that_it_is_told_of_and_nothing_else_of_s3_is_open() -> None:
    papers = {"Fn::Sub": "${Papers.Arn}/*"}
    told: set[str] = set()
    may: dict[str, list[Any]] = {}
    for name, function in functions().items():
        if "LANDLORD_PAPERS_BUCKET" in environment(function):
            assert environment(function)["LANDLORD_PAPERS_BUCKET"] == {"Ref": "Papers"}
            told.add(name)
        for policy in ("platform", "code"):
            for one in statements(function, policy):
                if "s3:" in json.dumps(one["Action"]):
                    assert (one["Effect"], one["Resource"]) == ("Allow", papers)
                    may.setdefault(name, []).append((one["Action"], one.get("Condition")))
    # what is there cannot be put over: S3 is asked to put it where nothing is, or refuses
    assert may == {name: [(KEEPS[0], None), (KEEPS[1], {"Null": {"s3:if-none-match": "false"}})] for name in told}
    assert told == {"Papers", "OutboxWorker"}
    # nor does the network let anything else through to S3
    [way] = [one for one in of("AWS::EC2::VPCEndpoint").values() if one["ServiceName"]["Fn::Sub"].endswith(".s3")]
    [passes] = way["PolicyDocument"]["Statement"]
    assert (passes["Effect"], passes["Action"], passes["Resource"]) == ("Allow", KEEPS, papers)
    assert passes["Condition"] == {"StringEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}}


def test_whoever_fills_and_turns_secrets_reaches_all_of_them() -> None:
    secrets = set(of("AWS::SecretsManager::Secret"))
    turned = {one["SecretId"]["Ref"] for one in of("AWS::SecretsManager::RotationSchedule").values()}

    def reach(name: str, action: str) -> set[str]:
        of_code = statements(functions()[name], "code")
        return {
            ref["Ref"]
            for one in of_code
            if f"secretsmanager:{action}" in listed(one["Action"])
            for ref in one["Resource"]
        }

    assert {name: reach(name, "GetSecretValue") for name in ("Migrate", "Rotate")} == {
        "Migrate": secrets,
        "Rotate": turned,
    }
    # who fills what is empty gives no login another password
    assert reach("Migrate", "PutSecretValue") == secrets - {"TenantLogin", "OperatorLogin", "WorkerLogin"}
    assert reach("Rotate", "PutSecretValue") == reach("Rotate", "UpdateSecretVersionStage") == turned
    # API keys, which the API itself rotates; and what customers' own servers know, who would have to turn along
    assert secrets - turned == {"OperatorSecret", "ScheduleSecret", "WebhooksSecret"}


def test_nothing_but_the_functions_own_things_is_opened_by_a_wildcard() -> None:
    wide = {
        (name, action)
        for name, function in functions().items()
        for policy in ("platform", "code")
        for one in statements(function, policy)
        if "*" in listed(one["Resource"])
        for action in listed(one["Action"])
    }
    # X-Ray and CloudWatch know no resources to narrow it to; telephones have none, and all else of SNS is denied
    assert {action for _, action in wide} <= {
        "xray:PutTraceSegments", "xray:PutTelemetryRecords", "cloudwatch:GetMetricData", "sns:Publish",
    }  # fmt: skip
    sender = statements(functions()["Sender"], "platform")
    denied = [(one["Action"], one["Resource"]) for one in sender if one["Effect"] == "Deny"]
    assert denied == [("sns:Publish", {"Fn::Sub": "arn:${AWS::Partition}:sns:*:*:*"})]


def test_sandboxes_at_their_most_hold_fewer_connections_than_the_proxy_has() -> None:
    held = {
        name: function["ReservedConcurrentExecutions"]
        * len(re.findall(r"DatabaseProxy.Endpoint", json.dumps(environment(function))))
        for name, function in functions().items()
    }
    [pool] = [one["ConnectionPoolConfigurationInfo"] for one in of("AWS::RDS::DBProxyTargetGroup").values()]
    assert held["Authorizer"] == 0
    assert held["Api"] >= 200
    assert sum(held.values()) < MOST_CONNECTIONS * pool["MaxConnectionsPercent"] / 100


def test_each_queue_waits_for_its_worker_as_long_as_lambda_asks_for() -> None:
    fed = {}
    for source in of("AWS::Lambda::EventSourceMapping").values():
        queue, worker = source["EventSourceArn"]["Fn::GetAtt"][0], source["FunctionName"]["Fn::GetAtt"][0]
        fed[queue] = worker.removesuffix("LambdaFunction")
        function = functions()[fed[queue]]
        assert of("AWS::SQS::Queue")[queue]["VisibilityTimeout"] >= 6 * function["Timeout"]
        assert source["ScalingConfig"]["MaximumConcurrency"] <= function["ReservedConcurrentExecutions"]
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert fed == {"BillingQueue": "BillingWorker", "ParcelsQueue": "Sender", "ReceiptsQueue": "Receipts"}


def test_the_sender_has_time_for_its_parcels_and_a_lease_is_longer_than_their_way() -> None:
    sender, queues = functions()["Sender"], of("AWS::SQS::Queue")
    assert sender["Timeout"] > 2 * SECONDS
    assert (
        LEASE.total_seconds()
        >= queues["ParcelsQueue"]["VisibilityTimeout"] + queues["ReceiptsQueue"]["VisibilityTimeout"]
    )
    assert queues["ParcelsQueue"]["MessageRetentionPeriod"] > LEASE.total_seconds()


def test_the_authorizer_stands_before_every_question_and_before_nothing_else() -> None:
    guarded = {
        properties["RouteKey"]: properties.get("AuthorizationType", "NONE")
        for properties in of("AWS::ApiGatewayV2::Route").values()
    }
    assert guarded == {
        "POST /graphql": "CUSTOM",
        "ANY /graphql": "NONE",  # the explorer's page, and whoever asks with a method that is none
        "GET /graphiql/{proxy+}": "NONE",
        "GET /healthz": "NONE",
        "GET /readyz": "NONE",
        "GET /invoices/{file}": "NONE",  # its address is asked for with credentials that the API checks
    }
    [authorizer] = of("AWS::ApiGatewayV2::Authorizer").values()
    assert (authorizer.get("IdentitySource", []), authorizer["AuthorizerResultTtlInSeconds"]) == ([], 0)


def test_whoever_has_a_database_is_in_the_network_and_whoever_goes_to_strangers_is_not() -> None:
    outside = {name for name, function in functions().items() if "VpcConfig" not in function}
    assert outside == {"Authorizer", "Sender"}
    assert not any("landlord_" in json.dumps(environment(functions()[name])) for name in outside)
    # and the network leads nowhere: no gateway to the internet, no NAT, no public address
    kinds = {resource["Type"] for resource in template()["Resources"].values()}
    assert not kinds & {"AWS::EC2::InternetGateway", "AWS::EC2::NatGateway", "AWS::EC2::EIP"}


def test_what_is_kept_is_encrypted_with_a_key_of_ours_and_outlives_the_stack() -> None:
    resources = template()["Resources"]
    [cluster] = of("AWS::RDS::DBCluster").values()
    assert cluster["KmsKeyId"] == {"Fn::GetAtt": ["DataKey", "Arn"]}
    assert (cluster["StorageEncrypted"], cluster["DeletionProtection"], cluster["BackupRetentionPeriod"]) == (
        True,
        True,
        35,
    )
    for name, table in of("AWS::DynamoDB::Table").items():
        assert table["SSESpecification"]["KMSMasterKeyId"] == {"Ref": "DataKey"}
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        # what callers asked in the last day goes with them
        assert resources[name]["DeletionPolicy"] == ("Delete" if name == "Buckets" else "Retain")
    for key, properties in of("AWS::KMS::Key").items():
        assert (properties["EnableKeyRotation"], resources[key]["DeletionPolicy"]) == (True, "Retain")
    assert resources["DatabaseCluster"]["DeletionPolicy"] == "Snapshot"


def buckets(stage: str = "prod") -> dict[str, dict[str, Any]]:
    """Ours, without osls's own for what it deploys."""
    resources = template(stage)["Resources"]
    found = {name: one for name, one in resources.items() if one["Type"] == "AWS::S3::Bucket"}
    return {name: one for name, one in found.items() if name != "ServerlessDeploymentBucket"}


def test_what_lies_in_a_bucket_outlives_the_stack_and_is_opened_to_nobody() -> None:
    assert set(buckets()) == {"Archive", "Papers", "AccessLogs"}
    for name, bucket in buckets().items():
        properties = bucket["Properties"]
        assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("Retain", "Retain")
        assert "BucketName" not in properties
        assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
        assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
        assert len(properties["PublicAccessBlockConfiguration"]) == 4
        assert properties["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        [encryption] = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        if name == "AccessLogs":
            continue  # S3 writes its logs with no key but its own
        assert encryption["BucketKeyEnabled"] is True
        assert encryption["ServerSideEncryptionByDefault"]["KMSMasterKeyID"] == {"Fn::GetAtt": ["DataKey", "Arn"]}
        assert properties["LoggingConfiguration"]["DestinationBucketName"] == {"Ref": "AccessLogs"}


def test_nothing_comes_to_a_bucket_or_leaves_it_without_tls_or_by_an_old_one() -> None:
    policies = {
        one["Bucket"]["Ref"]: one["PolicyDocument"]["Statement"] for one in of("AWS::S3::BucketPolicy").values()
    }
    for name in buckets():
        all_of_it = [{"Fn::GetAtt": [name, "Arn"]}, {"Fn::Sub": f"${{{name}.Arn}}/*"}]
        denied = [
            (one["Principal"], one["Action"], one["Resource"], one["Condition"])
            for one in policies[name]
            if one["Effect"] == "Deny"
        ]
        assert denied == [
            ("*", "s3:*", all_of_it, {"Bool": {"aws:SecureTransport": "false"}}),
            ("*", "s3:*", all_of_it, {"NumericLessThan": {"s3:TlsVersion": "1.2"}}),
        ]
        allowed = [one["Principal"] for one in policies[name] if one["Effect"] == "Allow"]
        assert allowed == ([{"Service": "logging.s3.amazonaws.com"}] if name == "AccessLogs" else [])


def test_what_is_archived_stays_for_seven_years_and_on_a_stage_for_trying_things_out_for_a_day() -> None:
    for stage, held in {"prod": ("COMPLIANCE", 2557), "dev": ("GOVERNANCE", 1)}.items():
        archive = buckets(stage)["Archive"]["Properties"]
        assert (archive["ObjectLockEnabled"], archive["ObjectLockConfiguration"]["ObjectLockEnabled"]) == (
            True,
            "Enabled",
        )
        rule = archive["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
        assert (rule["Mode"], rule["Days"]) == held
    # and who read it is known as long
    [over] = [
        one for one in buckets()["AccessLogs"]["Properties"]["LifecycleConfiguration"]["Rules"] if one["Id"] == "over"
    ]
    assert over["ExpirationInDays"] == 2557
    # what is kept is removed by nothing of ours
    for name in ("Archive", "Papers"):
        rules = buckets()[name]["Properties"]["LifecycleConfiguration"]["Rules"]
        assert not [key for rule in rules for key in rule if "Expiration" in key]


def test_logs_are_kept_as_long_as_said_and_the_refusals_for_seven_years() -> None:
    groups = of("AWS::Logs::LogGroup")
    assert all(one["KmsKeyId"] == {"Fn::GetAtt": ["LogKey", "Arn"]} for one in groups.values())
    days = {name: one["RetentionInDays"] for name, one in groups.items()}
    assert days.pop("HttpApiLogGroup") == days.pop("AuthorizerLogGroup") == 2557
    assert (len(days), set(days.values())) == (len(functions()) - 1, {365})


def test_every_alarm_tells_somebody_and_is_explained() -> None:
    explained = (ROOT / "docs" / "operations.md").read_text()
    alarms = of("AWS::CloudWatch::Alarm")
    assert len(alarms) == cost.ALARMS
    for name, alarm in alarms.items():
        assert alarm["AlarmActions"] == [{"Ref": "Alarms"}]
        assert f"`{name}`" in explained


def test_an_alarm_about_a_metric_of_ours_is_about_one_that_there_is() -> None:
    asked: dict[str, Any] = {
        "operation": None,
        "document": None,
        "kind": "query",
        "codes": [],
        "status": 200,
        "statements": 1,
    }
    answered = telemetry.request(asked | {"planned": True, "cost": 1}, dict)
    worked = telemetry.job({"job": "mail", "outcome": "done", "lag": 0, "ending": 0}, dict)
    run = telemetry.run({"failed": 0}, dict)
    ours = [alarm for alarm in of("AWS::CloudWatch::Alarm").values() if alarm["Namespace"] == telemetry.NAMESPACE]
    assert len(ours) >= 6
    parked = telemetry.delivery({"kind": "email", "outcome": "parked"}, dict)
    for alarm in ours:
        named = {one["Name"]: one["Value"] for one in alarm["Dimensions"]}
        if named.pop("FunctionName", None) is None:
            # whichever function says it
            told = [("unbilled", run.names), ("times", telemetry.WITHOUT.names)]
            assert (alarm["MetricName"], named) in told
        elif named:
            assert (alarm["MetricName"], named) == ("times", parked.names)
        else:
            assert alarm["MetricName"] in {*answered.values, *worked.values}


def test_the_outbox_has_time_for_the_last_letter_that_it_takes_up() -> None:
    worker = functions()["OutboxWorker"]
    assert worker["Timeout"] > (outbox.STINT + outbox.LEASE).total_seconds()
    # the next minute's call comes while this one ends
    assert worker["ReservedConcurrentExecutions"] > 1


def test_what_ended_is_told_again_before_the_job_that_does_so_has_missed_three_calls() -> None:
    [rate] = [
        rule["ScheduleExpression"]
        for rule in of("AWS::Events::Rule").values()
        if '"job": "ends"' in json.dumps(rule).replace("\\", "")
    ]
    minutes = re.fullmatch(r"rate\((\d+) minutes\)", rate)
    assert minutes is not None
    assert 3 * timedelta(minutes=int(minutes[1])) <= LATELY


def test_both_stages_are_of_the_same_parts() -> None:
    # osls gives a rule the stage's name
    dev, prod = ({name.replace(f"Landlord{one}", "Landlord") for name in template(one)["Resources"]} for one in STAGES)
    assert dev == prod
    assert template("prod")["Conditions"] == template("dev")["Conditions"]
