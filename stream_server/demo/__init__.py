"""People, cameras and pictures of the demo."""
