"""A rendered street: the built-in scene's place, cast, choreography, paint and truth."""

from vedette.sources.street.truth import StreetTruth, TrueObject

__all__ = ["StreetTruth", "TrueObject"]
