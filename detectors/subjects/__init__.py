"""What models say of themselves: their scores, doubts and reasons, and which batch these are of."""
