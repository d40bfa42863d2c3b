"""What a request costs, held to what it cost before."""
