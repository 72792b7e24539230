"""Reading images: decoding, random crops, and batches for one training process or many."""
