"""A vendor's API as data. Pure: the language of profiles and its rules; Operation → Call, Reply → model."""
