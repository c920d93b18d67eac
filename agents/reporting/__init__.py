"""Reports by way of a site agent: on paper, and to the RIS. Registered with reports.delivery."""
