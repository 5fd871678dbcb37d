"""The generated protocol, ``informerd.v1``. ``hack/python.sh stubs`` makes it anew."""
