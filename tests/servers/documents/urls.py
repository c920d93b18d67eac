"""The product's addresses, and the page of a report that there is no app for yet."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.urls import include, path

PAGE = """{% extends "base.html" %}{% load static %}
{% block title %}Report · Lightbox PACS{% endblock title %}
{% block main %}
  <main class="page" id="content">
    <h1>Report {{ number }}</h1>
    {% include "agents/print/_button.html" with kind="report" number=number %}
    <section data-deliveries="/reports/{{ number }}/deliveries/" aria-label="Deliveries"></section>
  </main>
{% endblock main %}
{% block scripts %}
  <script type="module" src="{% static 'print.js' %}"></script>
  <script type="module" src="{% static 'deliveries.js' %}"></script>
{% endblock scripts %}
"""


def report(request: HttpRequest, number: int) -> HttpResponse:
    page = engines["django"].from_string(PAGE)
    return HttpResponse(page.render({"number": number}, request))


urlpatterns = [
    path("fixture-report/<int:number>/", report),
    path("", include("pacs.urls")),
]
handler404 = "pacs.not_found.not_found"
