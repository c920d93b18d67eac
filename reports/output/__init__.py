"""A signed version as HTML, PDF, DICOM, HL7 and FHIR."""
