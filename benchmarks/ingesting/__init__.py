"""Parts of the ingest benchmark: the payload, the servers, and what sends to them."""
