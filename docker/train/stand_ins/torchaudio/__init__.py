"""An empty stand-in, not torchaudio.

LLaMA-Factory imports ``torchaudio`` at start for its audio plug-in; this image trains on
text only.  Loading audio fails here with an AttributeError, as it should.
"""
