"""Code that several figures share: the contract, the style, and the parts that studies have in common."""
