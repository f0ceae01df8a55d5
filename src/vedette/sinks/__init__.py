"""Where frames and scenes leave, and may be lost: all behind `base.Sink`."""
