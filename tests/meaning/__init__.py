"""Random questions about random records, asked of every store and of a plain model."""
