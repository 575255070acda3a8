"""Property tests judge answers, never the clock of the machine they run on."""

from hypothesis import settings

settings.register_profile("conformance", deadline=None, print_blob=True)
settings.load_profile("conformance")
