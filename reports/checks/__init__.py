"""What is looked at before a report is signed. Pure; knows no Django."""
