"""Frame → detections: every engine behind `base.Detector`."""
