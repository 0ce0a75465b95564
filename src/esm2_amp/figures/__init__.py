"""What figures of all chapters share."""
