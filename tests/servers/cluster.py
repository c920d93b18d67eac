"""Everything of a large installation on one machine, each part a process that may be killed."""

from __future__ import annotations

import base64
import json
import re
import signal
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import boto3

from tests.backup.cloudinary_service import CLOUD, KEY, SECRET
from tests.servers.certificates import Authority
from tests.servers.child import ChildServer
from tests.servers.mongo import MongoServer
from tests.servers.nginx import nginx_command
from tests.servers.portal import Portal
from tests.servers.ports import free_port, listens, wait_until
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer
from tests.servers.stack import CHECKOUT, Stack

BUCKET = "cluster"


class Program:
    """A program that is started again after it was killed, as systemd would."""

    def __init__(
        self, log: Path, command: Sequence[str | Path], env: Mapping[str, str] | None = None
    ) -> None:
        self.command = command
        self.env = env
        self.child = ChildServer(log)

    def start(self) -> None:
        self.child.launch(self.command, env=self.env, cwd=CHECKOUT)

    def kill(self) -> None:
        """With signal 9, the whole group; then again."""
        self.child.end(signal.SIGKILL)
        self.start()

    def stop(self) -> None:
        self.child.end()


class Cluster:
    """nginx with TLS, two web and two worker processes and a follower, PostgreSQL, Redis, a MongoDB
    and an S3 server, Cloudinary and Orthanc. `victims` are the parts by name: a call kills one."""

    def __init__(self, folder: Path, s3: str) -> None:
        self.folder = folder
        self.postgres = PostgresServer(migrated=True)
        self.redis = RedisServer(folder / "redis")
        self.mongo = MongoServer(folder / "mongo")
        self.s3 = s3
        self.cloudinary_port = free_port()
        self.tls_port = free_port()
        self.authority = Authority(folder / "authority")
        self.authority.issue("nginx")
        python = sys.executable
        self.cloudinary = Program(
            folder / "cloudinary.log",
            [
                *(python, "-m", "tests.backup.cloudinary_service"),
                *(str(self.cloudinary_port), folder / "cloudinary"),
            ],
        )
        self.stack = Stack(
            folder / "data",
            env={
                "DATABASE_URL": self.postgres.url,
                "REDIS_URL": self.redis.url,
                "MONGODB_URL": self.mongo.url(),
                "PACS_ARCHIVE_URL": f"s3://key:secret@{BUCKET}/pacs?endpoint_url={s3}",
                "PACS_BACKUP_URL": f"cloudinary://{KEY}:{SECRET}@{CLOUD}/pacs"
                f"?api_url=http://127.0.0.1:{self.cloudinary_port}",
                "PACS_TRUSTED_PROXIES": "1",
                "PACS_ALLOWED_HOSTS": "127.0.0.1,localhost",
                "PACS_QUIET_SECONDS": "5",
            },
        )
        self.web_port = free_port()
        endpoint = f"tcp:port={self.web_port}:interface=127.0.0.1:backlog=4096"
        self.web = Program(
            folder / "web2.log",
            [python, "-m", "daphne", "-e", endpoint, "-v", "0", "pacs.asgi:application"],
            self.stack.variables(),
        )
        celery = [python, "-m", "celery", "-q", "-A", "pacs", "worker", "--pool", "threads"]
        queues = ["-Q", "ingest,render,backup,deliver,default", "-c", "4", "-n", "worker2@%h"]
        self.worker = Program(
            folder / "worker2.log",
            [*celery, *queues, "--without-gossip", "--without-mingle", "--loglevel", "WARNING"],
            self.stack.variables(),
        )
        self.nginx = Program(folder / "nginx.log", self._nginx())
        self.client = boto3.client(
            "s3",
            endpoint_url=s3,
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            region_name="us-east-1",
        )

    def __enter__(self) -> Cluster:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def _start(self) -> None:
        self.client.create_bucket(Bucket=BUCKET)
        for server in (self.postgres, self.redis, self.mongo, self.cloudinary):
            server.start()  # type: ignore[attr-defined]
        self.stack.start()
        self.stack.shell("from studies.backup import keys\nkeys.confirm(keys.create(), 'test')")
        self.web.start()
        self.worker.start()
        self.nginx.start()
        wait_until(lambda: listens(self.web_port) and listens(self.tls_port), 60, "all listen")
        self.portal = Portal(self.stack)

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        for part in (self.nginx, self.worker, self.web, self.stack, self.cloudinary):
            part.stop()  # type: ignore[attr-defined]
        for server in (self.mongo, self.redis, self.postgres):
            server.stop()  # type: ignore[attr-defined]

    def _nginx(self) -> list[str | Path]:
        """The configuration of the product, with the ports and certificates of this test."""
        text = (CHECKOUT / "deploy" / "nginx" / "lightbox.conf").read_text()
        webs = f"server 127.0.0.1:{self.stack.port};\n    server 127.0.0.1:{self.web_port};"
        text = re.sub(r"server 127\.0\.0\.1:800[01];", webs, text)
        text = re.sub(r"listen 80;", f"listen 127.0.0.1:{free_port()};", text)
        text = re.sub(r"listen 443", f"listen 127.0.0.1:{self.tls_port}", text)
        text = text.replace(
            "/etc/ssl/certs/pacs.example.org.pem", f"{self.authority.folder}/nginx.crt"
        )
        text = text.replace(
            "/etc/ssl/private/pacs.example.org.key", f"{self.authority.folder}/nginx.key"
        )
        place = self.folder / "nginx"
        text = text.replace("/var/log/nginx", str(place)).replace("pacs.example.org", "127.0.0.1")
        return nginx_command(place, text)

    def held_by_orthanc(self, study_instance_uid: str) -> int:
        """Images of a study at Orthanc; 0 where it does not answer."""
        user, password = self.stack.orthanc_credentials
        credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
        request = urllib.request.Request(
            f"{self.stack.orthanc_url}/tools/find",
            json.dumps(
                {"Level": "Instance", "Query": {"StudyInstanceUID": study_instance_uid}}
            ).encode(),
            {"Authorization": f"Basic {credentials}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return len(json.load(answer))
        except OSError:
            return 0

    def victims(self) -> dict[str, Callable[[], None]]:
        """What kills each part with signal 9, and has it started again."""
        return {
            **{name: self._supervised(name) for name in ("web", "worker", "follow", "orthanc")},
            "web2": self.web.kill,
            "worker2": self.worker.kill,
            "nginx": self.nginx.kill,
            "cloudinary": self.cloudinary.kill,
            "postgres": self._kill_server(self.postgres),
            "redis": self._kill_server(self.redis),
            "mongo": self._kill_server(self.mongo),
        }

    def _supervised(self, name: str) -> Callable[[], None]:
        def kill() -> None:
            old = self.stack.kill(name)
            self.stack.wait_restarted(name, old)

        return kill

    def _kill_server(
        self, server: PostgresServer | RedisServer | MongoServer
    ) -> Callable[[], None]:
        def kill() -> None:
            server.child.end(signal.SIGKILL)
            time.sleep(0.5)
            server.start()

        return kill
