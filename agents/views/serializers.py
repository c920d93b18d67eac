"""Agents and commands as REST shows them, and what it takes."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from agents.models import Agent, AgentCommand, AgentState, CommandKind, CommandState

MAX_TTL = 7 * 24 * 3600
BIG = 2**63 - 1


class AgentSerializer(serializers.ModelSerializer[Agent]):
    """An agent of one's sites and how it is. Keys and networks stay with the administrators."""

    state = serializers.ChoiceField(choices=AgentState.choices, read_only=True)
    is_online = serializers.BooleanField(read_only=True)
    capabilities = serializers.ListField(child=serializers.CharField(), read_only=True)
    allowed_commands = serializers.ListField(child=serializers.CharField(), read_only=True)
    folders = serializers.ListField(child=serializers.DictField(), read_only=True)
    printers = serializers.ListField(child=serializers.DictField(), read_only=True)
    drives = serializers.ListField(child=serializers.DictField(), read_only=True)
    scanners = serializers.ListField(child=serializers.DictField(), read_only=True)
    last_errors = serializers.ListField(child=serializers.DictField(), read_only=True)

    class Meta:
        model = Agent
        fields = (
            *("id", "site", "name", "state", "is_online", "version", "release_seq", "platform"),
            *("capabilities", "allowed_commands", "queue_length", "folders", "printers", "drives"),
            *("scanners", "last_errors"),
            *("connected_at", "last_seen_at", "silent_since"),
        )
        read_only_fields = fields


class CommandSerializer(serializers.ModelSerializer[AgentCommand]):
    """A command and how far it is. `message` says in words why it failed."""

    type = serializers.ChoiceField(choices=CommandKind.choices, read_only=True)
    state = serializers.ChoiceField(choices=CommandState.choices, read_only=True)
    params = serializers.DictField(read_only=True)
    result = serializers.DictField(read_only=True)
    requester = serializers.CharField(
        source="requester.username", read_only=True, default=None, allow_null=True
    )

    class Meta:
        model = AgentCommand
        fields = (
            *("id", "agent", "type", "params", "state", "requester", "idempotency_key"),
            *("attempts", "cancel_requested_at", "steps_done", "steps_total", "progress", "code"),
            *("message", "result", "created_at", "expires_at", "sent_at", "started_at"),
            "finished_at",
        )
        read_only_fields = fields


class WantedCommand(serializers.Serializer[Any]):
    """A command to queue. `wait` false: only where the agent is connected now."""

    type = serializers.ChoiceField(choices=CommandKind.choices)
    params = serializers.DictField(default=dict)
    ttl = serializers.IntegerField(
        min_value=1, max_value=MAX_TTL, required=False, allow_null=True, default=None
    )
    idempotency_key = serializers.RegexField(
        r"^[\x21-\x7e]{1,100}$", required=False, allow_blank=True, default=""
    )
    wait = serializers.BooleanField(default=True)


class ShortCommand(serializers.Serializer[Any]):
    """`{agentId, command, ...}`: the parameters beside the command, or as `params`."""

    agentId = serializers.IntegerField(min_value=1, max_value=BIG)
    command = serializers.ChoiceField(choices=CommandKind.choices)
    params = serializers.DictField(required=False)
    ttl = serializers.IntegerField(
        min_value=1, max_value=MAX_TTL, required=False, allow_null=True, default=None
    )
    idempotencyKey = serializers.RegexField(
        r"^[\x21-\x7e]{1,100}$", required=False, allow_blank=True, default=""
    )
    wait = serializers.BooleanField(default=True)


class Enrolment(serializers.Serializer[Any]):
    """An enrolment code, and what the agent is."""

    code = serializers.CharField(max_length=80)
    version = serializers.CharField(max_length=40, required=False, allow_blank=True, default="")
    platform = serializers.CharField(max_length=120, required=False, allow_blank=True, default="")


class Enrolled(serializers.Serializer[Any]):
    """The key, shown this once."""

    agent_id = serializers.IntegerField()
    name = serializers.CharField()
    site = serializers.CharField()
    key = serializers.CharField()
    socket = serializers.CharField()


class AgentProblem(serializers.Serializer[Any]):
    """What went wrong, in words."""

    error = serializers.CharField()


class ShortCommandAnswer(serializers.Serializer[Any]):
    """What became of a short form."""

    success = serializers.BooleanField()
    commandId = serializers.IntegerField()
    state = serializers.ChoiceField(choices=CommandState.choices)
    command = CommandSerializer()


class DiscImage(serializers.Serializer[Any]):
    """An image that belongs on a disc: its number, bytes and SHA-256 as it is given."""

    id = serializers.IntegerField()
    size = serializers.IntegerField()
    sha256 = serializers.CharField()


class DiscImages(serializers.Serializer[Any]):
    """The images of a disc."""

    images = DiscImage(many=True)
