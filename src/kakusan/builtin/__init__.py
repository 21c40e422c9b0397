"""The model that comes with the package: the folder `model/`, in the published layout."""
