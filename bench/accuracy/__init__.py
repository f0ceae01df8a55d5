"""How right the answers are, on pictures and clips whose truth is written down."""
