"""Published theories: what they assume, claim and predict."""
