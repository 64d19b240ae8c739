"""The words everybody uses: types, events, configuration, errors. Imports nothing of ours."""
