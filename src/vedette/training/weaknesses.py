"""What a model is bad at, in plain words: what its pictures and its figures say of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vedette.training.comparison import Figure
from vedette.training.recipe import Made, Recipe

# Fewer objects of a class than this and it is hardly known.
FEW_OBJECTS = 500
# From this average precision on held-out pictures on, a class is found reliably enough.
GOOD = 0.6


def weaknesses_of(recipe: Recipe, made: Made) -> list[str]:
    """Give a sentence per weakness that is known of a model this room makes."""
    found = [
        (
            "Small: people and vehicles less than about 16 pixels high at its input of 416 are "
            "mostly missed; `--tiles` finds more of them, at a multiple of the time."
        ),
        (
            "What its pictures did not show it does not know: things seen from straight above, by "
            "fish-eye lenses, by heat or infrared, unless those were among them."
        ),
        (
            "Dolls, posters, statues and mirrored people may be taken for people; riders are "
            "people and their motorcycles vehicles; bicycles are neither."
        ),
    ]
    if made.labelled_by_machine:
        found.insert(
            1,
            "Its labels came from a machine: what its teacher misses or mistakes it learnt too.",
        )
    totals = [sum(counts[1 + kind] for counts in made.learnt_from.values()) for kind in range(2)]
    for label, total in zip(made.card.labels, totals, strict=True):
        if total < FEW_OBJECTS and recipe.begin_with is None:
            found.append(f"It saw only {total} objects of class {label}: expect it to miss many.")
    for label, matches in made.held_out.items():
        score = matches.average_precision()
        if score < GOOD:
            found.append(
                f"Even on its own sources it finds {label} with an average precision of only "
                f"{score:.2f}."
            )
    if recipe.begin_with is not None:
        found.append(
            f"It was trained on from another model on {totals[0]} people and {totals[1]} vehicles: "
            f"before other cameras it may be worse than that one."
        )
    else:
        found.append(
            "Its pictures show streets, halls and yards, and little else: in other scenes it may "
            "take furniture, food, animals or trains for vehicles or people."
        )
    return found


def weaker_than(rival: str, own: Sequence[Figure], others: Sequence[Figure]) -> list[str]:
    """Give a sentence per class that another model finds clearly better on the same pictures."""
    return [
        f"On the labelled pictures it finds {mine.label} with an average precision of "
        f"{mine.ap50:.2f}, {rival} with {other.ap50:.2f}: for scenes of everything, take that."
        for mine, other in zip(own, others, strict=True)
        if other.ap50 - mine.ap50 > math.hypot(mine.uncertainty, other.uncertainty)
    ]
