"""Where frames enter: one file per way in, all behind `base.Source`."""
