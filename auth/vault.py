"""AWS Secrets Manager: secrets by name, in versions of which one is current."""

from __future__ import annotations

from typing import Any, Final

from db.clients import opened

CURRENT: Final = "AWSCURRENT"
PENDING: Final = "AWSPENDING"
PREVIOUS: Final = "AWSPREVIOUS"


class Vault:
    """`endpoint_url` is another address than Amazon's own: the emulator's. Every method blocks, and raises what botocore does."""

    def __init__(self, endpoint_url: str | None = None) -> None:
        self._endpoint_url = endpoint_url

    def read(self, name: str, stage: str = CURRENT) -> str | None:
        """The value; None where there is none in this stage. Raises ResourceNotFoundException too if there is no such secret."""
        try:
            answer: dict[str, str] = self._client.get_secret_value(SecretId=name, VersionStage=stage)
        except self._client.exceptions.ResourceNotFoundException:
            self._client.describe_secret(SecretId=name)
            return None
        return answer.get("SecretString") or None  # the emulator answers for a secret that has no version

    def write(self, name: str, value: str) -> None:
        """It becomes the current one."""
        self._client.put_secret_value(SecretId=name, SecretString=value)

    def drafted(self, name: str, version: str) -> str | None:
        """The value of the version that is to become current; None where it is not there yet."""
        try:
            answer: dict[str, str] = self._client.get_secret_value(
                SecretId=name, VersionId=version, VersionStage=PENDING
            )
        except self._client.exceptions.ResourceNotFoundException:
            return None
        return answer["SecretString"]

    def draft(self, name: str, version: str, value: str) -> None:
        """This version is to become current with this value; one that was drafted before stays as it is."""
        if self.drafted(name, version) is None:
            self._client.put_secret_value(
                SecretId=name, ClientRequestToken=version, SecretString=value, VersionStages=[PENDING]
            )

    def promote(self, name: str, version: str) -> None:
        """The version becomes the current one, and what was current the previous one. Twice does no harm."""
        current = self.current(name)
        if current != version:
            moved = {"RemoveFromVersionId": current} if current is not None else {}
            self._client.update_secret_version_stage(
                SecretId=name, VersionStage=CURRENT, MoveToVersionId=version, **moved
            )

    def current(self, name: str) -> str | None:
        """The current version; None where there is none."""
        stages = self._client.describe_secret(SecretId=name).get("VersionIdsToStages", {})
        return next((version for version, labels in stages.items() if CURRENT in labels), None)

    @opened
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        config = Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 3, "mode": "standard"})
        return boto3.client("secretsmanager", endpoint_url=self._endpoint_url, config=config)
