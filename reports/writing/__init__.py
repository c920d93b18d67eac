"""Drafts: opened, saved while somebody writes, offered again."""
