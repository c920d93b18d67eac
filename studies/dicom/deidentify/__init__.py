"""Copies of images that name nobody: PS3.15 Annex E, Basic Application Confidentiality Profile.

The table of attributes is that of the package dicom-anonymizer; what is done with it is here,
because its own engine leaves alone what lies in sequences.
"""
