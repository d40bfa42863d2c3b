"""From a stream into a store: what a chest has put into Redis is carried on."""
