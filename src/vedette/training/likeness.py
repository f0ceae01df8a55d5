"""Keeping what a model is judged by out of what it learns from, and one picture of each family.

Source of the hash: difference hashing (N. Krawetz, 2013), here 16 x 16 bits.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from vedette.training.pictures import Picture

SIDE = 16
# Pictures whose hashes differ in fewer of the 256 bits show the same. Two pictures of nothing in
# common differ in about 128; the same one recoded or resized in fewer than 12.
SAME_BELOW = 28
# Of two training pictures that differ in fewer bits the second is left out: nearly the same pixels.
TWIN_BELOW = 8

Hash = npt.NDArray[np.uint8]


def hash_of(picture: Picture) -> Hash:
    """Give 32 bytes: of each of 16 x 16 places, whether it is brighter than its left neighbour."""
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    small = np.asarray(cv2.resize(grey, (SIDE + 1, SIDE), interpolation=cv2.INTER_AREA), np.int16)
    return np.packbits(small[:, 1:] > small[:, :-1])


def distances(one: Hash, others: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Give the number of bits by which `one` differs from each of `others` (N, 32)."""
    return np.bitwise_count(np.bitwise_xor(one[None], others)).sum(axis=1, dtype=np.int64)


class Known:
    """Pictures that must not be learnt from, nor their mirror images."""

    def __init__(self, pictures: Sequence[Picture]) -> None:
        hashes = [
            hash_of(one)
            for picture in pictures
            for one in (picture, np.ascontiguousarray(picture[:, ::-1]))
        ]
        self._hashes = np.array(hashes, np.uint8).reshape(-1, SIDE * SIDE // 8)

    def has(self, picture: Picture) -> bool:
        """Tell whether a picture shows what one of them shows."""
        return bool((distances(hash_of(picture), self._hashes) < SAME_BELOW).any())


class Families:
    """Tells twins: pictures that differ in noise, a crop of some pixels or another coding."""

    def __init__(self, *, changed_from: int = TWIN_BELOW) -> None:
        """Begin with none.

        Args:
            changed_from: Bits in which two pictures must differ at least.
        """
        self._changed_from = changed_from
        self._hashes = np.empty((0, SIDE * SIDE // 8), np.uint8)

    def is_new(self, picture: Picture) -> bool:
        """Tell whether nothing like it was shown before, and remember it."""
        found = hash_of(picture)
        if (distances(found, self._hashes) < self._changed_from).any():
            return False
        self._hashes = np.concatenate([self._hashes, found[None]])
        return True
