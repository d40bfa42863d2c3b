"""What becomes of records in a store: old ones go, one person's are erased, hours are summed up."""
