"""The reference pages, one module a page, each made from the declarations it describes."""
