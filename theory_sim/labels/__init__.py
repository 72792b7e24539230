"""Label trees, and label functions over them."""
