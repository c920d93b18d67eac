"""HL7 version 2: messages, their frames, what they say of orders and patients, and reports out."""
