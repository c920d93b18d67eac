"""`python -m agents.site --config agent.toml`: the agent's command line."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TextIO

from agents.site import VERSION, auditlog
from agents.site.agent import Agent, AlreadyRunningError
from agents.site.check import check
from agents.site.config import Config, ConfigError, key_file, load
from agents.site.enrol import EnrolError, enrol
from agents.site.handlers import audit_path
from agents.site.log import Recent, set_up
from agents.site.selftest import self_test

WRONG_CONFIGURATION = 2
"""Exit status; systemd does not start such an agent again until it is corrected."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit status."""
    parser = argparse.ArgumentParser(prog="lightbox-agent", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the agent.toml")
    parser.add_argument("--check", action="store_true", help="test everything once and say how")
    parser.add_argument(
        "--enrol",
        action="store_true",
        help="exchange a one-time code, read from standard input, for the agent's key",
    )
    parser.add_argument(
        "--verify-audit", action="store_true", help="check that the audit log is as it was written"
    )
    parser.add_argument(
        "--insecure-localhost",
        action="store_true",
        help="permit plain http to a portal on this machine, for tests",
    )
    parser.add_argument(
        "--self-test",
        action="store_true",
        help="load everything, read the configuration, say the version; connects to nothing",
    )
    parser.add_argument("--version", action="version", version=VERSION)
    given = parser.parse_args(arguments)
    try:
        config = load(
            given.config, insecure_localhost=given.insecure_localhost, enrolling=given.enrol
        )
        if given.enrol:
            return _enrol(config, key_file(given.config))
    except ConfigError as error:
        for line in error.lines:
            say(line, sys.stderr)
        return WRONG_CONFIGURATION
    if given.self_test:
        self_test()
        say(VERSION)
        return 0
    if given.verify_audit:
        return _verify(audit_path(config.agent.state_dir))
    if given.check:
        return asyncio.run(_check(config))
    return _run(config)


def say(line: str, to: TextIO = sys.stdout) -> None:
    """One line to a person."""
    print(line, file=to)


def _run(config: Config) -> int:
    try:
        recent = set_up(config.agent)
        return asyncio.run(_serve(config, recent))
    except AlreadyRunningError:
        say("another agent already uses this state_dir", sys.stderr)
        return 1
    except OSError as error:
        say(f"the agent cannot start: {error}", sys.stderr)
        return 1


async def _serve(config: Config, recent: Recent) -> int:
    return await Agent(config, recent).run()


async def _check(config: Config) -> int:
    findings = await check(config)
    width = max(len(each.subject) for each in findings)
    for each in findings:
        say(f"{'ok  ' if each.good else 'FAIL'}  {each.subject:<{width}}  {each.words}")
    return 0 if all(each.good for each in findings) else 1


def _enrol(config: Config, path: Path) -> int:
    if sys.stdin.isatty():
        say("Enrolment code:")
    try:
        name = asyncio.run(enrol(config.portal, sys.stdin.readline().strip(), path))
    except EnrolError as error:
        say(str(error), sys.stderr)
        return 1
    say(f"enrolled as {name}; the key is in {path}")
    return 0


def _verify(path: Path) -> int:
    try:
        wrong = auditlog.verify(path)
    except OSError as error:
        wrong = [f"cannot be read: {error.strerror}"]
    for line in wrong:
        say(line)
    if not wrong:
        say("the audit log is as it was written")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
