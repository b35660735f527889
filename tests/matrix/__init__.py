"""All kinds of sources against all formats: models in the zoo modules, what becomes of them in docs/matrix.json."""
