"""The labeler `label_studio`: people who label in Label Studio, spoken to over its REST API."""

from lamplighter.labelers.label_studio.labeler import LabelStudio

__all__ = ["LabelStudio"]
