"""Sweeps over agents and commands; each does what the rows say must be done."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from agents import alerts, commands, reception, rollouts
from agents.models import AgentEvent
from agents.printing import orders

KEEP_EVENTS = timedelta(days=90)


@shared_task(name="agents.expire_sweep")
def expire_sweep() -> None:
    """Commands past their time to live, and those that were lost with their agent."""
    commands.expire()
    commands.give_up()


@shared_task(name="agents.rollout_sweep")
def rollout_sweep() -> None:
    """Connected agents that a roll-out has reached are told to update."""
    rollouts.sweep()


@shared_task(name="agents.silence_sweep")
def silence_sweep() -> None:
    """Connections that ended unseen, silent agents and the mail about them, old events."""
    reception.stale_connections()
    reception.newly_silent()
    alerts.mail_silences()
    AgentEvent.objects.filter(received_at__lt=timezone.now() - KEEP_EVENTS).delete()
    orders.forget()
