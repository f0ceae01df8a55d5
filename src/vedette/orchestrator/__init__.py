"""The role that decides: commands in, leases out, and a watch over whoever holds them."""
