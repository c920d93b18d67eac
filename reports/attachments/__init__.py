"""What belongs to a study and is no image of it: requisitions, reports from elsewhere."""
