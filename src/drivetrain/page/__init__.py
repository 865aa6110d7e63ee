"""A report as one HTML file that needs nothing else: text, tables, pictures of systems, figures, training curves."""

from drivetrain.page.curves import curves
from drivetrain.page.page import Figure, Page, Picture, Table, Text, Toned, figure, svg, table, text

__all__ = ["Figure", "Page", "Picture", "Table", "Text", "Toned", "curves", "figure", "svg", "table", "text"]
