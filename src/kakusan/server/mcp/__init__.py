"""`kakusan mcp`: assistants draw through a server's own API, over the Model Context Protocol."""
