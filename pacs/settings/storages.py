"""Archive and backup storage by their addresses: `PACS_ARCHIVE_URL` and `PACS_BACKUP_URL`."""

from __future__ import annotations

from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

DURABLE = "pacs.storage.DurableFileSystemStorage"


def backup_storage(url: str) -> dict[str, Any] | None:
    """Django's STORAGES entry; None for an empty address.

    `file:///mnt/backup`, `cloudinary://KEY:SECRET@CLOUD[/prefix][?api_url=...]`, or
    `s3://[KEY:SECRET@]BUCKET[/prefix][?endpoint_url=...&region=...]`; without a key in the address
    S3 credentials are found as boto3 finds them.
    """
    if not url:
        return None
    parts, extra = _parts(url)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if parts.scheme == "cloudinary" and parts.hostname and user and password:
        return {
            "BACKEND": "pacs.cloudinary_storage.CloudinaryStorage",
            "OPTIONS": {
                "cloud_name": parts.hostname,
                "api_key": user,
                "api_secret": password,
                "prefix": parts.path.strip("/"),
                "api_url": extra.get("api_url", ""),
            },
        }
    found = _file_or_s3(parts, extra)
    if found is None:
        raise ImproperlyConfigured(
            "PACS_BACKUP_URL begins with file:///, s3://BUCKET or cloudinary://KEY:SECRET@CLOUD"
        )
    return found


def archive_storage(url: str, folder: str) -> dict[str, Any]:
    """Django's STORAGES entry: `folder` for an empty address.

    `file:///srv/images` or `s3://...` as for the backup. Cloudinary reads no stretches of an image
    and takes none above its plan's size: it is a backup, not an archive.
    """
    if not url:
        return {"BACKEND": DURABLE, "OPTIONS": {"location": folder}}
    found = _file_or_s3(*_parts(url), attempts=2)
    if found is None:
        raise ImproperlyConfigured("PACS_ARCHIVE_URL begins with file:/// or s3://BUCKET")
    return found


def apart(archive: dict[str, Any], backup: dict[str, Any]) -> None:
    """Refuse a backup that would lie where the images are: losing one would lose both."""
    where = ("location", "bucket_name", "endpoint_url")
    here, there = ({name: one["OPTIONS"].get(name) for name in where} for one in (archive, backup))
    if archive["BACKEND"] == backup["BACKEND"] and here == there:
        raise ImproperlyConfigured("The backup would lie where the archive is: give it its own.")


def _parts(url: str) -> tuple[SplitResult, dict[str, str]]:
    parts = urlsplit(url)
    return parts, {name: values[-1] for name, values in parse_qs(parts.query).items()}


def _file_or_s3(
    parts: SplitResult, extra: dict[str, str], attempts: int = 1
) -> dict[str, Any] | None:
    if parts.scheme == "file" and parts.path.startswith("/") and not parts.netloc:
        return {"BACKEND": DURABLE, "OPTIONS": {"location": unquote(parts.path)}}
    if parts.scheme == "s3" and parts.hostname:
        return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": _s3(parts, extra, attempts)}
    return None


def _s3(parts: SplitResult, extra: dict[str, str], attempts: int) -> dict[str, Any]:
    from boto3.s3.transfer import TransferConfig
    from botocore.config import Config

    options: dict[str, Any] = {
        "bucket_name": parts.hostname,
        "location": parts.path.strip("/"),
        "default_acl": None,
        "file_overwrite": True,
        "querystring_auth": True,
        # Many objects are sent at once; none of them needs threads of its own.
        "transfer_config": TransferConfig(use_threads=False),
        "client_config": Config(
            connect_timeout=10,
            read_timeout=60 if attempts == 1 else 20,
            retries={"total_max_attempts": attempts, "mode": "standard"},
            # Older compatible servers know none of the newer checksums; uploads carry an MD5.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": extra.get("addressing_style", "auto")},
            max_pool_connections=32,
        ),
    }
    if parts.username:
        options["access_key"] = unquote(parts.username)
        options["secret_key"] = unquote(parts.password or "")
    if endpoint := extra.get("endpoint_url"):
        options["endpoint_url"] = endpoint
    options["region_name"] = extra.get("region", "us-east-1")
    return options
