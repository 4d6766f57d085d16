"""Engine ``endpoint``: a server that speaks OpenAI's chat protocol, asked by the host."""
