"""The embedded engine: a small model on this CPU (OpenVINO GenAI), in a process of its own."""
