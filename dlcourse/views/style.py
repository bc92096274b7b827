"""How the book's Matplotlib figures look."""

from __future__ import annotations

# Hues that stay apart in the common kinds of colour blindness, and in grey print by their lightness
# (after Okabe and Ito, https://jfly.uni-koeln.de/color/).
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072b2", "#d55e00", "#009e73", "#aa5599", "#777777"
COLORS = (BLUE, ORANGE, GREEN, PURPLE, GREY)


def use_book_style() -> None:
    """Set Matplotlib for the book: SVG in notebooks, reproducible files, legible on a phone.

    A figure is 4.8 inches wide, so that its 10-point text is still legible when a phone shrinks it
    to 340 pixels. It stands on a white panel, so that its text keeps its contrast on any page.
    """
    import matplotlib as mpl
    from cycler import cycler
    from IPython.core.getipython import get_ipython
    from matplotlib_inline.backend_inline import set_matplotlib_formats

    if get_ipython() is not None:
        set_matplotlib_formats("svg")  # type: ignore[no-untyped-call]
    mpl.rcParams.update(
        {
            "figure.figsize": (4.8, 3.0),
            "figure.dpi": 200,  # of the pictures inside an SVG; its size stays
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "axes.facecolor": "white",
            "axes.grid": True,
            "axes.prop_cycle": cycler(color=COLORS),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "grid.alpha": 0.3,
            "font.size": 10,
            "legend.fontsize": 9,
            "legend.edgecolor": "none",
            "svg.hashsalt": "dlcourse",  # without it the ids inside an SVG differ from run to run
        }
    )
