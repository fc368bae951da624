"""The bridge between the two sides: parsing, dispatch, rendering; the cache decision; accounts and limits."""
