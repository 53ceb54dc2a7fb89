"""Why something drifts: made once a round is judged, for what drifts alone, from what is stored."""
