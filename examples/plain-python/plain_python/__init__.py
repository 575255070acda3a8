"""A framework and a family of another package than softmax-conformance."""
