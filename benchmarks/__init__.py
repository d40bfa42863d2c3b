"""What the promises cost, measured side by side with what else one could do."""
