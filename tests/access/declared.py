"""Who gets what at every address, and what is audited: the declaration that the tests hold to.

A line: method, address as the URLconf spells it, the status for each of `world.ACTORS` in their
order, and the audited actions of the first actor who is let in, or in brackets why there are none:

- (none): what is shown is no patient's;
- (session): about the session itself, whose beginning and end are events;
- (part): a part of a page whose opening is an event, or asked for from there;
- (leads): leads on to an address that is audited;
- (nothing): with an empty body, or in this state, nothing is shown anew and nothing changes;
- (refused): nobody here is let in (agents, Orthanc, a state that does not allow it): their own
  tests let them in.
"""

from __future__ import annotations

ACTORS = "radiologist technician site_admin admin granted referrer stranger anonymous"

APPLICATION = """
GET    healthz | 503 503 503 503 503 503 503 503 | (refused)
POST   healthz | 503 503 503 503 503 503 503 503 | (refused)
PUT    healthz | 503 503 503 503 503 503 503 503 | (refused)
PATCH  healthz | 503 503 503 503 503 503 503 503 | (refused)
DELETE healthz | 503 503 503 503 503 503 503 503 | (refused)
GET    readyz | 200 200 200 200 200 200 200 200 | (none)
POST   readyz | 200 200 200 200 200 200 200 200 | (none)
PUT    readyz | 200 200 200 200 200 200 200 200 | (none)
PATCH  readyz | 200 200 200 200 200 200 200 200 | (none)
DELETE readyz | 200 200 200 200 200 200 200 200 | (none)
GET    metrics | 404 404 404 404 404 404 404 404 | (refused)
GET    login/ | 302 302 302 302 302 302 302 200 | (none)
POST   login/ | 302 302 302 302 302 302 302 200 | (none)
PUT    login/ | 302 302 302 302 302 302 302 200 | (none)
PATCH  login/ | 302 302 302 302 302 302 302 405 | (none)
DELETE login/ | 302 302 302 302 302 302 302 405 | (none)
POST   logout/ | 302 302 302 302 302 302 302 302 | logout
POST   session/activity/ | 204 204 204 204 204 204 204 401 | (session)
POST   session/lock/ | 204 204 204 204 204 204 204 401 | session.locked
POST   session/unlock/ | 204 204 204 204 204 204 204 401 | (nothing)
GET    session/state/ | 200 200 200 200 200 200 200 401 | (session)
GET    / | 200 200 200 200 200 200 200 302 | worklist.opened
GET    worklist/table/ | 200 200 200 200 200 200 200 302 | (part)
POST   worklist/table/ | 200 200 200 200 200 200 200 302 | (part)
GET    worklist/row/<int:pk>/ | 200 200 200 200 200 204 204 302 | (part)
POST   worklist/row/<int:pk>/ | 200 200 200 200 200 204 204 302 | (part)
POST   worklist/export/ | 200 200 200 200 200 200 200 302 | worklist.exported
GET    worklist/appearance/ | 200 200 200 200 200 200 200 302 | (none)
POST   worklist/appearance/ | 200 200 200 200 200 200 200 302 | worklist.appearance.chosen
POST   worklist/saved/ | 200 200 200 200 200 200 200 302 | worklist.filter.saved
POST   worklist/saved/<int:pk>/remove/ | 200 404 200 200 404 404 404 302 | worklist.filter.removed
GET    patients/<int:pk>/ | 200 200 200 200 200 404 404 302 | patient.opened
GET    studies/<int:pk>/preview/ | 200 200 200 200 200 404 404 302 | study.previewed
POST   api/studies/together/ | 200 200 200 200 403 403 200 401 | study.priority
GET    studies/<int:pk>/view/ | 200 200 200 200 200 404 404 302 | study.opened
GET    studies/<int:pk>/prior/<int:prior>/ | 200 200 200 200 404 404 404 302 | study.opened
GET    studies/<int:pk>/documents/<str:uid>/ | 404 404 404 404 404 404 404 302 | (refused)
GET    studies/<int:pk>/documents/<str:uid>/pages/<int:number>/ | 404 404 404 404 404 404 404 302 | (refused)
GET    studies/<int:pk>/presentation-states/<str:uid>/ | 404 404 404 404 404 404 404 302 | (refused)
GET    hanging/ | 200 200 200 200 200 200 200 302 | (none)
POST   hanging/<int:pk>/rename/ | 200 404 200 200 404 404 404 302 | hanging_protocol.renamed
POST   hanging/<int:pk>/rules/ | 200 404 200 200 404 404 404 302 | hanging_protocol.changed
POST   hanging/<int:pk>/up/ | 200 404 200 200 404 404 404 302 | hanging_protocol.moved
POST   hanging/<int:pk>/down/ | 200 404 200 200 404 404 404 302 | hanging_protocol.moved
POST   hanging/<int:pk>/remove/ | 200 404 200 200 404 404 404 302 | hanging_protocol.removed
POST   api/hanging-protocols/ | 200 200 200 200 200 200 200 401 | hanging_protocol.kept
GET    display-check/ | 200 200 200 200 200 200 200 302 | (none)
POST   display-check/ | 302 302 302 302 302 302 302 302 | display.checked
GET    preferences/viewer/ | 200 200 200 200 200 200 200 302 | (none)
PUT    api/preferences/viewer/ | 200 200 200 200 200 200 200 401 | preferences.changed
POST   api/preferences/viewer/windows/ | 200 200 200 200 200 200 200 401 | window.kept
DELETE api/preferences/viewer/windows/<int:pk>/ | 200 404 404 404 404 404 404 401 | window.removed
GET    studies/<int:pk>/export/ | 200 200 200 200 404 404 404 302 | export.opened
GET    studies/<int:pk>/export/check/ | 200 404 200 200 404 404 404 302 | (part)
POST   studies/<int:pk>/export/deidentified.zip | 409 404 409 409 404 404 404 302 | (refused)
POST   studies/<int:pk>/export/dicom.zip | 409 409 409 409 404 404 404 302 | (refused)
POST   api/studies/<int:pk>/pictures/ | 200 200 200 200 403 404 404 401 | picture.exported
GET    studies/<int:pk>/send/ | 200 200 200 200 404 404 404 302 | sends.opened
POST   studies/<int:pk>/send/ | 200 200 200 200 404 404 404 302 | sends.opened
GET    sends/ | 200 200 200 200 404 404 200 302 | sends.opened
GET    sends/<int:pk>/row/ | 200 200 200 200 404 404 404 302 | (part)
POST   sends/<int:pk>/cancel/ | 200 200 200 200 404 404 404 302 | send.cancelled
POST   sends/<int:pk>/retry/ | 200 200 200 200 404 404 404 302 | send.retried
GET    statistics/viewer/ | 200 404 200 200 404 404 200 302 | openings.opened
GET    status/ | 404 404 200 200 404 404 404 302 | status.opened
GET    retention/ | 404 404 200 200 404 404 404 302 | retention.opened
GET    retention/sites/<int:pk>/ | 404 404 200 200 404 404 404 302 | retention.dry_run
POST   retention/sites/<int:pk>/ | 404 404 200 200 404 404 404 302 | retention.dry_run
GET    retention/sites/<int:pk>/studies.csv | 404 404 200 200 404 404 404 302 | retention.exported
GET    retention/proposals/<int:pk>/ | 404 404 200 200 404 404 404 302 | retention.proposal_opened
POST   retention/proposals/<int:pk>/ | 404 404 404 404 404 404 404 302 | (refused)
GET    retention/backup-copies.csv | 404 404 404 200 404 404 404 302 | retention.backup_copies_listed
GET    studies/<int:pk>/retention/ | 404 404 200 200 404 404 404 302 | study.retention_opened
POST   studies/<int:pk>/retention/ | 404 404 404 404 404 404 404 302 | (refused)
GET    api/studies/<int:pk>/retention/ | 200 200 200 200 200 404 404 401 | (part)
GET    upload/ | 404 200 200 200 404 404 404 302 | upload.opened
POST   api/upload/check/ | 403 400 400 400 403 403 403 401 | (refused)
GET    quarantine/ | 404 200 200 200 404 404 404 302 | quarantine.opened
GET    quarantine/<uuid:pk>/ | 404 200 200 200 404 404 404 302 | quarantine.file_opened
POST   quarantine/<uuid:pk>/retry/ | 404 409 409 409 404 404 404 302 | (refused)
POST   quarantine/<uuid:pk>/accept/ | 404 200 200 200 404 404 404 302 | quarantine.file_opened
POST   quarantine/<uuid:pk>/discard/ | 404 200 200 200 404 404 404 302 | quarantine.file_opened
POST   quarantine/<uuid:pk>/take-back/ | 404 409 409 409 404 404 404 302 | (refused)
POST   quarantine/<uuid:pk>/tell/ | 404 409 409 409 404 404 404 302 | (refused)
GET    corrections/ | 404 200 200 200 404 404 404 302 | corrections.opened
GET    corrections/<int:pk>/ | 404 200 200 200 404 404 404 302 | correction.opened
GET    corrections/<int:pk>/undo/ | 404 200 200 200 404 404 404 302 | correction.opened
POST   corrections/<int:pk>/undo/ | 404 302 302 302 404 404 404 302 | study.correction_undone
POST   corrections/proposals/<int:pk>/dismiss/ | 404 302 302 302 404 404 404 302 | correction.dismissed
GET    studies/<int:pk>/correct/ | 404 200 200 200 404 404 404 302 | study.correction_opened
POST   studies/<int:pk>/correct/ | 404 404 404 404 404 404 404 302 | (refused)
GET    studies/<int:pk>/corrected/ | 200 200 200 200 404 404 404 302 | study.corrections_read
POST   api/studies/<int:pk>/complete/ | 403 200 200 200 403 404 404 401 | study.complete
DELETE api/studies/<int:pk>/complete/ | 403 200 200 200 403 404 404 401 | (nothing)
GET    studies/<int:pk>/notes/ | 200 200 200 200 404 404 404 302 | study.notes
POST   studies/<int:pk>/notes/ | 200 200 200 200 404 404 404 302 | study.notes
GET    studies/<int:pk>/lost/ | 200 200 200 200 404 404 404 302 | (part)
POST   api/studies/next-unread/ | 200 403 403 403 403 403 204 401 | study.claimed
GET    api/studies/<int:pk>/claim/ | 200 200 200 200 403 403 404 401 | (part)
POST   api/studies/<int:pk>/claim/ | 200 403 403 403 403 403 404 401 | study.claimed
DELETE api/studies/<int:pk>/claim/ | 200 200 200 200 403 403 404 401 | (part)
POST   api/studies/<int:pk>/take-over/ | 200 403 403 403 403 403 404 401 | study.claimed
POST   api/studies/<int:pk>/seen/ | 409 409 409 409 403 403 404 401 | (refused)
POST   api/studies/<int:pk>/assign/ | 400 400 400 400 403 403 404 401 | (refused)
POST   api/studies/<int:pk>/priority/ | 400 400 400 400 403 403 404 401 | (refused)
GET    api/studies/<int:pk>/notes/ | 200 200 200 200 403 403 404 401 | study.notes
POST   api/studies/<int:pk>/notes/ | 409 409 409 409 403 403 404 401 | (refused)
POST   api/studies/<int:pk>/openings/ | 400 400 400 400 400 404 404 401 | (nothing)
GET    api/studies/<int:pk>/safety/ | 200 200 200 200 200 404 404 401 | (part)
GET    api/schema/ | 200 200 200 200 200 200 200 401 | (none)
GET    api/orders/ | 200 200 200 200 403 403 200 401 | orders.read
GET    api/orders/unordered-studies/ | 200 200 200 200 403 403 200 401 | studies.unordered
GET    api/orders/<int:pk>/ | 200 200 200 200 403 403 404 401 | order.opened
POST   api/orders/<int:pk>/link/ | 403 200 200 200 403 403 404 401 | order.linked
DELETE api/orders/<int:pk>/link/ | 403 409 409 409 403 403 404 401 | (refused)
GET    api/destinations/ | 200 200 200 200 403 403 200 401 | (none)
GET    api/sends/ | 200 200 200 200 403 403 200 401 | sends.opened
POST   api/sends/ | 200 200 200 200 403 403 404 401 | (nothing)
GET    api/sends/<int:pk>/ | 200 200 200 200 403 403 404 401 | send.read
POST   api/sends/<int:pk>/cancel/ | 200 200 200 200 403 403 404 401 | send.cancelled
POST   api/sends/<int:pk>/retry/ | 200 200 200 200 403 403 404 401 | send.retried
POST   api/orthanc/webhook/ | 401 401 401 401 401 401 401 401 | (refused)
GET    api/studies/<int:pk>/measurements/ | 200 200 200 200 403 404 404 401 | study.annotations
PUT    api/studies/<int:pk>/measurements/<uuid:annotation>/ | 200 403 403 403 403 404 404 401 | measurement.changed
DELETE api/studies/<int:pk>/measurements/<uuid:annotation>/ | 204 403 403 403 403 404 404 401 | measurement.removed
POST   api/studies/<int:pk>/annotations/store/ | 200 403 403 403 403 404 404 401 | instances.received annotations.stored
POST   api/studies/<int:pk>/presentation-states/ | 400 403 403 403 403 404 404 401 | (nothing)
GET    api/studies/<int:pk>/key-images/ | 200 200 200 200 403 404 404 401 | study.annotations
PUT    api/studies/<int:pk>/key-images/<uuid:annotation>/ | 200 403 403 403 403 404 404 401 | key_image.changed
DELETE api/studies/<int:pk>/key-images/<uuid:annotation>/ | 204 403 403 403 403 404 404 401 | key_image.removed
GET    reports/verify/<str:token>/ | 200 200 200 200 200 200 200 200 | report.verify
POST   reports/verify/<str:token>/ | 200 200 200 200 200 200 200 200 | report.verify
GET    reports/<int:pk>/document/ | 302 302 302 302 302 404 404 302 | (leads)
GET    reports/versions/<int:pk>/ | 200 200 200 200 200 404 404 302 | report.read
GET    reports/versions/<int:pk>/report.pdf | 200 200 200 200 200 404 404 302 | report.pdf
GET    reports/versions/<int:pk>/pictures/<str:sha256>.png | 404 404 404 404 404 404 404 302 | (refused)
GET    reports/key-images/<uuid:pk>.png | 404 404 404 404 404 404 404 302 | (refused)
GET    fhir/metadata | 200 200 200 200 200 200 200 200 | (none)
GET    fhir/DiagnosticReport | 200 200 200 200 200 200 200 401 | fhir.search
GET    fhir/DiagnosticReport/<int:pk> | 200 200 200 200 200 404 404 401 | fhir.report
GET    fhir/ImagingStudy/<int:pk> | 200 200 200 200 200 404 404 401 | fhir.study
GET    fhir/Binary/<int:pk> | 200 200 200 200 200 404 404 401 | report.pdf
GET    reports/<int:pk>/write/ | 200 200 200 200 403 404 404 302 | study.opened
GET    reports/logged-in/ | 200 200 200 200 200 200 200 302 | (none)
GET    api/studies/<int:pk>/report/ | 200 200 200 200 403 404 404 401 | report.read
POST   api/studies/<int:pk>/report/ | 200 200 200 200 403 404 404 401 | report.read
GET    api/studies/<int:pk>/report/material/ | 200 200 200 200 403 404 404 401 | report.read
GET    api/reports/<int:pk>/draft/ | 200 200 200 200 403 404 404 401 | report.read
PUT    api/reports/<int:pk>/draft/ | 409 403 403 403 403 404 404 401 | (refused)
DELETE api/reports/<int:pk>/draft/ | 409 403 403 403 403 404 404 401 | (refused)
GET    reports/<int:pk>/sign/ | 200 403 403 403 403 404 404 302 | (nothing)
POST   reports/<int:pk>/sign/ | 200 403 403 403 403 404 404 302 | (nothing)
GET    reports/<int:pk>/withdraw/ | 200 403 403 403 403 404 404 302 | (nothing)
POST   reports/<int:pk>/withdraw/ | 200 403 403 403 403 404 404 302 | (nothing)
POST   reports/<int:pk>/addendum/ | 200 403 403 403 403 404 404 302 | report.addendum
GET    studies/<int:pk>/report-actions/ | 200 200 200 200 200 404 404 302 | (part)
POST   api/reports/<int:pk>/sign/ | 400 403 403 403 403 404 404 401 | (refused)
POST   api/reports/<int:pk>/cosign/ | 400 403 403 403 403 404 404 401 | (refused)
POST   api/reports/<int:pk>/addendum/ | 200 403 403 403 403 404 404 401 | report.addendum
POST   api/reports/<int:pk>/withdraw/ | 400 403 403 403 403 404 404 401 | (refused)
GET    deliveries/ | 200 200 200 200 404 404 200 302 | deliveries.opened
GET    deliveries/<int:pk>/row/ | 200 200 200 200 404 404 404 302 | (part)
POST   deliveries/<int:pk>/cancel/ | 200 403 200 200 404 404 404 302 | delivery.cancelled delivery.cancel
POST   deliveries/<int:pk>/retry/ | 200 403 200 200 404 404 404 302 | delivery.retry
GET    reports/<int:pk>/deliveries/ | 200 200 200 200 404 404 404 302 | report.deliveries
GET    reports/<int:pk>/deliver/ | 200 403 200 200 404 404 404 302 | report.deliveries
POST   reports/<int:pk>/deliver/ | 200 403 200 200 404 404 404 302 | report.deliveries
GET    api/reports/<int:pk>/deliveries/ | 200 200 200 200 403 403 404 401 | report.deliveries
POST   api/reports/<int:pk>/deliveries/ | 409 403 409 409 403 403 404 401 | (refused)
POST   api/deliveries/<int:pk>/cancel/ | 200 403 200 200 403 403 404 401 | delivery.cancelled delivery.cancel
POST   api/deliveries/<int:pk>/retry/ | 200 403 200 200 403 403 404 401 | delivery.retry
GET    critical/ | 200 200 200 200 200 200 200 302 | critical.opened
GET    critical/<int:pk>/ | 200 200 200 200 404 404 404 302 | critical.read
POST   critical/<int:pk>/ | 409 409 409 409 404 404 404 302 | (refused)
GET    studies/<int:pk>/critical/ | 200 403 403 403 403 404 404 302 | (nothing)
POST   studies/<int:pk>/critical/ | 200 403 403 403 403 404 404 302 | (nothing)
GET    api/critical-results/ | 200 200 200 200 200 200 200 401 | critical.opened
POST   api/critical-results/ | 201 403 403 403 403 404 404 401 | critical.marked
POST   api/critical-results/<int:pk>/acknowledge/ | 400 400 400 400 404 404 404 401 | (refused)
POST   api/critical-results/<int:pk>/close/ | 400 400 400 400 404 404 404 401 | (refused)
GET    api/studies/<int:pk>/report-templates/ | 200 200 200 200 403 404 404 401 | (none)
GET    api/report-templates/<int:pk>/start/ | 200 404 404 404 403 404 404 401 | study.facts
GET    api/report-templates/<int:pk>/versions/<int:seq>/ | 200 404 404 404 404 404 404 401 | (none)
GET    reports/templates/ | 200 200 200 200 404 404 200 302 | (none)
GET    reports/templates/new/ | 200 404 404 200 404 404 200 302 | (none)
POST   reports/templates/new/ | 400 404 404 400 404 404 400 302 | (refused)
GET    reports/templates/<int:pk>/ | 200 404 404 404 404 404 404 302 | (none)
GET    reports/templates/<int:pk>/edit/ | 200 404 404 404 404 404 404 302 | (none)
POST   reports/templates/<int:pk>/edit/ | 400 404 404 404 404 404 404 302 | (refused)
POST   reports/templates/<int:pk>/copy/ | 302 404 404 404 404 404 404 302 | template.created
POST   reports/templates/<int:pk>/retire/ | 200 404 404 404 404 404 404 302 | template.retired
POST   reports/templates/<int:pk>/restore/ | 200 404 404 404 404 404 404 302 | (none)
GET    reports/macros/ | 200 200 200 200 404 404 200 302 | (none)
GET    reports/macros/new/ | 200 404 404 200 404 404 200 302 | (none)
POST   reports/macros/new/ | 400 404 404 400 404 404 400 302 | (refused)
GET    reports/macros/<int:pk>/edit/ | 200 404 404 404 404 404 404 302 | (none)
POST   reports/macros/<int:pk>/edit/ | 400 404 404 404 404 404 404 302 | (refused)
POST   reports/macros/<int:pk>/copy/ | 302 404 404 404 404 404 404 302 | macro.created
POST   reports/macros/<int:pk>/delete/ | 200 404 404 404 404 404 404 302 | macro.deleted
GET    api/macros/ | 200 200 200 200 403 404 404 401 | study.facts
GET    reports/ | 200 200 200 200 200 200 200 302 | reports.opened
GET    reports/search/ | 200 200 200 200 200 200 200 302 | (none)
POST   reports/search/ | 200 200 200 200 200 200 200 302 | reports.searched
GET    reports/<int:pk>/ | 200 200 200 200 200 404 404 302 | report.read
GET    reports/<int:pk>/text/ | 200 200 200 200 200 404 404 302 | report.read
GET    reports/<int:pk>/pdf/ | 302 302 302 302 302 404 404 302 | (leads)
GET    reports/<int:pk>/diff/ | 404 404 404 404 404 404 404 302 | (refused)
GET    studies/<int:pk>/report/ | 302 302 302 302 302 404 404 302 | (leads)
GET    studies/<int:pk>/priors/ | 200 200 200 200 200 404 404 302 | priors.read
GET    studies/<int:pk>/attachments/ | 200 200 200 200 404 404 404 302 | attachments.opened
POST   studies/<int:pk>/attachments/ | 200 200 200 200 404 404 404 302 | attachments.opened
GET    attachments/<uuid:pk>/ | 200 200 200 200 404 404 404 302 | attachment.read
GET    attachments/<uuid:pk>/file/ | 200 200 200 200 404 404 404 302 | attachment.read
GET    api/studies/<int:pk>/attachments/ | 200 200 200 200 403 404 404 401 | attachments.opened
POST   api/studies/<int:pk>/attachments/ | 415 415 415 415 403 404 404 401 | (refused)
GET    api/attachments/<uuid:pk>/ | 200 200 200 200 404 404 404 401 | attachment.read
DELETE api/attachments/<uuid:pk>/ | 400 400 400 400 404 404 404 401 | (refused)
GET    statistics/ | 200 404 200 200 404 404 200 302 | statistics.opened
GET    statistics/<str:name>.csv | 200 404 200 200 404 404 200 302 | statistics.exported
GET    agents/ | 200 200 200 200 404 404 200 302 | (none)
GET    agents/<int:pk>/ | 200 200 200 200 404 404 404 302 | agent.commands
POST   agents/<int:pk>/command/ | 302 302 302 302 404 404 404 302 | agent.command
GET    agents/<int:pk>/commands/<int:cid>/ | 200 200 200 200 404 404 404 302 | agent.commands
POST   agents/<int:pk>/commands/<int:cid>/cancel/ | 302 302 302 302 404 404 404 302 | agent.command.cancelled
POST   api/agents/enrol/ | 400 400 400 400 400 400 400 400 | (refused)
GET    api/agents/worklist/ | 401 401 401 401 401 401 401 401 | (refused)
GET    api/agents/ | 200 200 200 200 403 403 200 401 | (none)
GET    api/agents/release/ | 401 401 401 401 401 401 401 401 | (refused)
GET    api/agents/release/<int:seq>/file | 401 401 401 401 401 401 401 401 | (refused)
GET    api/agents/<int:pk>/ | 200 200 200 200 403 403 404 401 | (none)
GET    api/agents/<int:pk>/commands/ | 200 200 200 200 403 403 404 401 | agent.commands
POST   api/agents/<int:pk>/commands/ | 400 400 400 400 403 403 404 401 | (refused)
GET    api/agents/<int:pk>/commands/<int:cid>/ | 200 200 200 200 403 403 404 401 | agent.commands
POST   api/agents/<int:pk>/commands/<int:cid>/cancel/ | 200 200 200 200 403 403 404 401 | agent.command.cancelled
POST   api/agents/commands/<int:cid>/document/ | 401 401 401 401 401 401 401 401 | (refused)
PUT    api/agents/documents/<str:sha256>/ | 401 401 401 401 401 401 401 401 | (refused)
GET    api/agents/deliveries/<int:pk>/pdf/ | 401 401 401 401 401 401 401 401 | (refused)
GET    print/<str:kind>/<int:number>/ | 200 200 200 200 200 404 404 302 | agent.prints
POST   print/<str:kind>/<int:number>/ | 200 200 200 200 200 404 404 302 | agent.prints
GET    api/agents/commands/<int:cid>/images/ | 401 401 401 401 401 401 401 401 | (refused)
GET    api/agents/commands/<int:cid>/images/<int:pk>/ | 401 401 401 401 401 401 401 401 | (refused)
GET    studies/<int:pk>/disc/ | 200 200 200 200 404 404 404 302 | discs.opened
POST   studies/<int:pk>/disc/ | 200 200 200 200 404 404 404 302 | discs.opened
GET    scanners/ | 200 200 200 200 404 404 200 302 | scanners.opened
POST   scanners/ | 404 404 404 404 404 404 404 302 | (refused)
GET    scanners/mine/ | 200 200 200 200 404 404 200 302 | (none)
POST   scanners/scans/<int:pk>/ | 404 404 404 404 404 404 404 302 | (refused)
POST   api/local-command | 201 201 201 201 403 403 404 401 | agent.command
POST   api/local-agent/command | 201 201 201 201 403 403 404 401 | agent.command
"""

# The admin, GET: `site_admin admin`. Whoever is no staff is sent to its login; there it is 403.
ADMIN = r"""
admin/logout/ | 405 405 | (refused)
admin/reports/reporttemplate/<int:pk>/copy/ | 405 405 | (refused)
admin/search/ | 200 200 | (none)
admin/ | 200 200 | (none)
admin/login/ | 302 302 | (none)
admin/password_change/ | 200 200 | (none)
admin/password_change/done/ | 200 200 | (none)
admin/autocomplete/ | 403 403 | (none)
admin/jsi18n/ | 200 200 | (none)
admin/r/<path:content_type_id>/<path:object_id>/ | 404 404 | (none)
admin/audit/auditevent/ | 200 200 | (none)
admin/audit/auditevent/add/ | 403 403 | (none)
admin/audit/auditevent/<path:object_id>/history/ | 200 200 | (none)
admin/audit/auditevent/<path:object_id>/delete/ | 403 403 | (none)
admin/audit/auditevent/<path:object_id>/change/ | 200 200 | (none)
admin/audit/auditevent/<path:object_id>/ | 302 302 | (none)
admin/accounts/site/ | 200 200 | (none)
admin/accounts/site/add/ | 403 200 | (none)
admin/accounts/site/<path:object_id>/history/ | 200 200 | (none)
admin/accounts/site/<path:object_id>/delete/ | 403 403 | (none)
admin/accounts/site/<path:object_id>/change/ | 200 200 | (none)
admin/accounts/site/<path:object_id>/ | 302 302 | (none)
admin/accounts/user/<id>/password/ | 200 200 | (none)
admin/accounts/user/ | 200 200 | (none)
admin/accounts/user/add/ | 200 200 | (none)
admin/accounts/user/<path:object_id>/history/ | 200 200 | (none)
admin/accounts/user/<path:object_id>/delete/ | 403 403 | (none)
admin/accounts/user/<path:object_id>/change/ | 200 200 | (none)
admin/accounts/user/<path:object_id>/ | 302 302 | (none)
admin/accounts/membership/ | 200 200 | (none)
admin/accounts/membership/add/ | 200 200 | (none)
admin/accounts/membership/<path:object_id>/history/ | 200 200 | (none)
admin/accounts/membership/<path:object_id>/delete/ | 200 200 | (none)
admin/accounts/membership/<path:object_id>/change/ | 200 200 | (none)
admin/accounts/membership/<path:object_id>/ | 302 302 | (none)
admin/accounts/apitoken/ | 200 200 | (none)
admin/accounts/apitoken/add/ | 200 200 | (none)
admin/accounts/apitoken/<path:object_id>/history/ | 302 302 | (none)
admin/accounts/apitoken/<path:object_id>/delete/ | 403 403 | (none)
admin/accounts/apitoken/<path:object_id>/change/ | 302 302 | (none)
admin/accounts/apitoken/<path:object_id>/ | 302 302 | (none)
admin/studies/order/ | 200 200 | admin.order.listed
admin/studies/order/add/ | 403 403 | (none)
admin/studies/order/<path:object_id>/history/ | 200 200 | admin.order.opened
admin/studies/order/<path:object_id>/delete/ | 403 403 | (none)
admin/studies/order/<path:object_id>/change/ | 200 200 | order.opened
admin/studies/order/<path:object_id>/ | 302 302 | (none)
admin/studies/correctionproposal/ | 200 200 | admin.correctionproposal.listed
admin/studies/correctionproposal/add/ | 403 403 | (none)
admin/studies/correctionproposal/<path:object_id>/history/ | 200 200 | admin.correctionproposal.opened
admin/studies/correctionproposal/<path:object_id>/delete/ | 403 403 | (none)
admin/studies/correctionproposal/<path:object_id>/change/ | 200 200 | correction.opened
admin/studies/correctionproposal/<path:object_id>/ | 302 302 | (none)
admin/studies/orthancserver/ | 200 200 | (none)
admin/studies/orthancserver/add/ | 403 200 | (none)
admin/studies/orthancserver/<path:object_id>/history/ | 200 200 | (none)
admin/studies/orthancserver/<path:object_id>/delete/ | 403 403 | (none)
admin/studies/orthancserver/<path:object_id>/change/ | 200 200 | (none)
admin/studies/orthancserver/<path:object_id>/ | 302 302 | (none)
admin/studies/quarantinedfile/ | 200 200 | admin.quarantinedfile.listed
admin/studies/quarantinedfile/add/ | 403 403 | (none)
admin/studies/quarantinedfile/<path:object_id>/history/ | 200 200 | admin.quarantinedfile.opened
admin/studies/quarantinedfile/<path:object_id>/delete/ | 403 403 | (none)
admin/studies/quarantinedfile/<path:object_id>/change/ | 200 200 | quarantine.opened
admin/studies/quarantinedfile/<path:object_id>/ | 302 302 | (none)
admin/studies/study/ | 200 200 | admin.study.listed
admin/studies/study/add/ | 403 403 | (none)
admin/studies/study/<path:object_id>/history/ | 200 200 | admin.study.opened
admin/studies/study/<path:object_id>/delete/ | 403 403 | (none)
admin/studies/study/<path:object_id>/change/ | 200 200 | study.described
admin/studies/study/<path:object_id>/ | 302 302 | (none)
admin/studies/studygrant/ | 200 200 | admin.studygrant.listed
admin/studies/studygrant/add/ | 200 200 | (none)
admin/studies/studygrant/<path:object_id>/history/ | 200 200 | admin.studygrant.opened
admin/studies/studygrant/<path:object_id>/delete/ | 200 200 | (none)
admin/studies/studygrant/<path:object_id>/change/ | 200 200 | admin.studygrant.opened
admin/studies/studygrant/<path:object_id>/ | 302 302 | (none)
admin/studies/assignmentrule/ | 200 200 | (none)
admin/studies/assignmentrule/add/ | 200 200 | (none)
admin/studies/assignmentrule/<path:object_id>/history/ | 302 302 | (none)
admin/studies/assignmentrule/<path:object_id>/delete/ | 302 302 | (none)
admin/studies/assignmentrule/<path:object_id>/change/ | 302 302 | (none)
admin/studies/assignmentrule/<path:object_id>/ | 302 302 | (none)
admin/studies/retentionrule/ | 200 200 | (none)
admin/studies/retentionrule/add/ | 200 200 | (none)
admin/studies/retentionrule/<path:object_id>/history/ | 200 200 | (none)
admin/studies/retentionrule/<path:object_id>/delete/ | 200 200 | (none)
admin/studies/retentionrule/<path:object_id>/change/ | 200 200 | (none)
admin/studies/retentionrule/<path:object_id>/ | 302 302 | (none)
admin/studies/siteusage/ | 200 200 | (none)
admin/studies/siteusage/add/ | 403 200 | (none)
admin/studies/siteusage/<path:object_id>/history/ | 200 200 | (none)
admin/studies/siteusage/<path:object_id>/delete/ | 403 403 | (none)
admin/studies/siteusage/<path:object_id>/change/ | 200 200 | (none)
admin/studies/siteusage/<path:object_id>/ | 302 302 | (none)
admin/studies/turnaround/ | 200 200 | (none)
admin/studies/turnaround/add/ | 200 200 | (none)
admin/studies/turnaround/<path:object_id>/history/ | 302 302 | (none)
admin/studies/turnaround/<path:object_id>/delete/ | 302 302 | (none)
admin/studies/turnaround/<path:object_id>/change/ | 302 302 | (none)
admin/studies/turnaround/<path:object_id>/ | 302 302 | (none)
admin/studies/destination/ | 200 200 | (none)
admin/studies/destination/add/ | 200 200 | (none)
admin/studies/destination/<path:object_id>/history/ | 200 200 | (none)
admin/studies/destination/<path:object_id>/delete/ | 403 403 | (none)
admin/studies/destination/<path:object_id>/change/ | 200 200 | (none)
admin/studies/destination/<path:object_id>/ | 302 302 | (none)
admin/studies/send/ | 200 200 | admin.send.listed
admin/studies/send/add/ | 403 403 | (none)
admin/studies/send/<path:object_id>/history/ | 200 200 | admin.send.opened
admin/studies/send/<path:object_id>/delete/ | 403 403 | (none)
admin/studies/send/<path:object_id>/change/ | 200 200 | admin.send.opened
admin/studies/send/<path:object_id>/ | 302 302 | (none)
admin/reports/deliveryplace/ | 200 200 | (none)
admin/reports/deliveryplace/add/ | 200 200 | (none)
admin/reports/deliveryplace/<path:object_id>/history/ | 200 200 | (none)
admin/reports/deliveryplace/<path:object_id>/delete/ | 403 403 | (none)
admin/reports/deliveryplace/<path:object_id>/change/ | 200 200 | (none)
admin/reports/deliveryplace/<path:object_id>/ | 302 302 | (none)
admin/reports/deliveryrule/ | 200 200 | (none)
admin/reports/deliveryrule/add/ | 200 200 | (none)
admin/reports/deliveryrule/<path:object_id>/history/ | 200 200 | (none)
admin/reports/deliveryrule/<path:object_id>/delete/ | 200 200 | (none)
admin/reports/deliveryrule/<path:object_id>/change/ | 200 200 | (none)
admin/reports/deliveryrule/<path:object_id>/ | 302 302 | (none)
admin/reports/delivery/ | 200 200 | admin.delivery.listed
admin/reports/delivery/add/ | 403 403 | (none)
admin/reports/delivery/<path:object_id>/history/ | 200 200 | admin.delivery.opened
admin/reports/delivery/<path:object_id>/delete/ | 403 403 | (none)
admin/reports/delivery/<path:object_id>/change/ | 200 200 | admin.delivery.opened
admin/reports/delivery/<path:object_id>/ | 302 302 | (none)
admin/reports/letterhead/<int:pk>/preview/ | 404 404 | (none)
admin/reports/letterhead/ | 200 200 | (none)
admin/reports/letterhead/add/ | 200 200 | (none)
admin/reports/letterhead/<path:object_id>/history/ | 302 302 | (none)
admin/reports/letterhead/<path:object_id>/delete/ | 403 403 | (none)
admin/reports/letterhead/<path:object_id>/change/ | 302 302 | (none)
admin/reports/letterhead/<path:object_id>/ | 302 302 | (none)
admin/reports/reporttemplate/ | 200 200 | (none)
admin/reports/reporttemplate/add/ | 200 200 | (none)
admin/reports/reporttemplate/<path:object_id>/history/ | 302 302 | (none)
admin/reports/reporttemplate/<path:object_id>/delete/ | 403 403 | (none)
admin/reports/reporttemplate/<path:object_id>/change/ | 302 302 | (none)
admin/reports/reporttemplate/<path:object_id>/ | 302 302 | (none)
admin/reports/macro/ | 200 200 | (none)
admin/reports/macro/add/ | 200 200 | (none)
admin/reports/macro/<path:object_id>/history/ | 302 302 | (none)
admin/reports/macro/<path:object_id>/delete/ | 302 302 | (none)
admin/reports/macro/<path:object_id>/change/ | 302 302 | (none)
admin/reports/macro/<path:object_id>/ | 302 302 | (none)
admin/agents/agentrelease/ | 200 200 | (none)
admin/agents/agentrelease/add/ | 403 403 | (none)
admin/agents/agentrelease/<path:object_id>/history/ | 200 200 | (none)
admin/agents/agentrelease/<path:object_id>/delete/ | 403 403 | (none)
admin/agents/agentrelease/<path:object_id>/change/ | 200 200 | (none)
admin/agents/agentrelease/<path:object_id>/ | 302 302 | (none)
admin/agents/agentrollout/ | 200 200 | (none)
admin/agents/agentrollout/add/ | 200 200 | (none)
admin/agents/agentrollout/<path:object_id>/history/ | 302 302 | (none)
admin/agents/agentrollout/<path:object_id>/delete/ | 403 403 | (none)
admin/agents/agentrollout/<path:object_id>/change/ | 302 302 | (none)
admin/agents/agentrollout/<path:object_id>/ | 302 302 | (none)
admin/agents/agent/<int:pk>/code/ | 403 403 | (none)
admin/agents/agent/<int:pk>/rotate/ | 403 403 | (none)
admin/agents/agent/<int:pk>/revoke/ | 403 403 | (none)
admin/agents/agent/<int:pk>/switch/ | 403 403 | (none)
admin/agents/agent/ | 200 200 | (none)
admin/agents/agent/add/ | 200 200 | (none)
admin/agents/agent/<path:object_id>/history/ | 200 200 | (none)
admin/agents/agent/<path:object_id>/delete/ | 403 403 | (none)
admin/agents/agent/<path:object_id>/change/ | 200 200 | (none)
admin/agents/agent/<path:object_id>/ | 302 302 | (none)
admin/agents/agentkey/ | 200 200 | (none)
admin/agents/agentkey/add/ | 403 403 | (none)
admin/agents/agentkey/<path:object_id>/history/ | 302 302 | (none)
admin/agents/agentkey/<path:object_id>/delete/ | 403 403 | (none)
admin/agents/agentkey/<path:object_id>/change/ | 302 302 | (none)
admin/agents/agentkey/<path:object_id>/ | 302 302 | (none)
admin/agents/agentcommand/ | 200 200 | admin.agentcommand.listed
admin/agents/agentcommand/add/ | 403 403 | (none)
admin/agents/agentcommand/<path:object_id>/history/ | 200 200 | admin.agentcommand.opened
admin/agents/agentcommand/<path:object_id>/delete/ | 403 403 | (none)
admin/agents/agentcommand/<path:object_id>/change/ | 200 200 | admin.agentcommand.opened
admin/agents/agentcommand/<path:object_id>/ | 302 302 | (none)
admin/^(?P<app_label>audit|accounts|studies|reports|agents)/$ | 200 200 | (none)
admin/(?P<url>.*)$ | 404 404 | (none)
"""
