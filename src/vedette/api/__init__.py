"""What people and programs ask, answered over HTTP and websocket."""
