"""What a site prints above its reports, and how it signs PDFs."""
