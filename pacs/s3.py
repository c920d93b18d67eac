"""What errors of an object storage (S3 and compatible) mean, by what has to be done about them."""

from __future__ import annotations

from enum import StrEnum

from botocore import exceptions as aws

REFUSALS = {
    *("AccessDenied", "AllAccessDisabled", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
    *("NoSuchBucket", "InvalidBucketName", "ExpiredToken", "InvalidToken", "403", "401"),
}
NOT_THERE = {"NoSuchKey", "404", "NotFound"}
SLOWER = {"SlowDown", "503", "429"}


class Trouble(StrEnum):
    """MISSING: there is no such object. REFUSED: until a person has put it right. Others: later."""

    MISSING = "missing"
    TOO_LARGE = "too large"
    REFUSED = "refused"
    SLOWER = "slower"
    DOWN = "down"


def trouble(error: BaseException) -> Trouble | None:
    """What an error of boto3 stands for; None for one that is not boto3's."""
    if isinstance(error, aws.ClientError):
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in NOT_THERE:
            return Trouble.MISSING
        if code == "EntityTooLarge":
            return Trouble.TOO_LARGE
        if code in REFUSALS:
            return Trouble.REFUSED
        return Trouble.SLOWER if code in SLOWER else Trouble.DOWN
    if isinstance(error, aws.NoCredentialsError | aws.PartialCredentialsError):
        return Trouble.REFUSED
    return Trouble.DOWN if isinstance(error, aws.BotoCoreError) else None
