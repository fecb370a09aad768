"""A labeler that asks machines first, and people about what machines do not settle."""

from lamplighter.labelers.route.labeler import Route

__all__ = ["Route"]
