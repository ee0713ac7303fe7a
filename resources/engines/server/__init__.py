"""The engine ``server``: one or several endpoints that speak the OpenAI protocol, or a vLLM server of its own."""
